/**
 * Index of the least element of each row: first the minimum, then the first element that equals it.
 * NaN equals nothing, so a row of NaN gives 0.
 *
 * Arguments: x [rows, n], out int32 [rows]; rows, n; rows per chunk.
 */
export function argmin(args: usize, begin: i32, end: i32): void {
  const rows = load<i32>(args, 8);
  const n = load<i32>(args, 12);
  const perChunk = load<i32>(args, 16);
  const first = begin * perChunk;
  const last = min(end * perChunk, rows);
  const step = <usize>n << 2;
  let x = load<usize>(args) + <usize>first * step;
  let out = load<usize>(args, 4) + (<usize>first << 2);
  for (let row = first; row < last; row++) {
    store<i32>(out, firstEqual(x, n, minimum(x, n)));
    x += step;
    out += 4;
  }
}

/** Without NaN: pmin gives its first operand unless the second one is smaller. */
function minimum(x: usize, n: i32): f32 {
  let a = f32x4.splat(Infinity);
  let b = a;
  let left = n;
  for (; left >= 8; left -= 8) {
    a = f32x4.pmin(a, v128.load(x));
    b = f32x4.pmin(b, v128.load(x, 16));
    x += 32;
  }
  a = f32x4.pmin(a, b);
  a = f32x4.pmin(a, v128.shuffle<i64>(a, a, 1, 0));
  a = f32x4.pmin(a, v128.shuffle<i32>(a, a, 1, 0, 3, 2));
  let least = f32x4.extract_lane(a, 0);
  for (; left > 0; left--) {
    const value = load<f32>(x);
    if (value < least) least = value;
    x += 4;
  }
  return least;
}

function firstEqual(x: usize, n: i32, value: f32): i32 {
  const values = f32x4.splat(value);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const equal = i32x4.bitmask(f32x4.eq(v128.load(x + (<usize>i << 2)), values));
    if (equal != 0) return i + ctz(equal);
  }
  for (; i < n; i++) {
    if (load<f32>(x + (<usize>i << 2)) == value) return i;
  }
  return 0;
}
