/**
 * Sums over rows whose targets depend on the data: every chunk of rows adds up its own, in float64, and
 * the chunks' sums are added in order. So the result does not depend on who computes which chunk.
 */

/** Zeroes the `length` sums of a chunk and returns their address. */
// @ts-ignore: decorator
@inline
export function clearPartial(partials: usize, chunk: i32, length: i32): usize {
  const partial = partials + ((<usize>chunk * <usize>length) << 3);
  memory.fill(partial, 0, <usize>length << 3);
  return partial;
}

/** Sums of one chunk of {@link addPartials}. */
const CHUNK_SUMS: i32 = 4096;

/**
 * Adds partial sums [count, length] and rounds to float32: out[i] of columns first .. first + width - 1.
 *
 * Arguments: partials float64, count, length, first, width, out. Chunks: ceil(width / 4096).
 */
export function addPartials(args: usize, begin: i32, end: i32): void {
  const partials = load<usize>(args);
  const count = load<i32>(args, 4);
  const length = <usize>load<i32>(args, 8) << 3;
  const column = partials + (<usize>load<i32>(args, 12) << 3);
  const out = load<usize>(args, 20);
  const stop = min(end * CHUNK_SUMS, load<i32>(args, 16));
  for (let i = begin * CHUNK_SUMS; i < stop; i++) {
    let sum: f64 = 0;
    let p = column + (<usize>i << 3);
    for (let c = 0; c < count; c++, p += length) sum += load<f64>(p);
    store<f32>(out + (<usize>i << 2), <f32>sum);
  }
}
