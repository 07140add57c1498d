/**
 * The n nearest codewords of up to 8 rows. Integers or float32 find the few blocks of codewords that
 * can hold them; float64 decides inside those. So the result is the float64 optimum with ties to the
 * lowest index, whatever the search before rounds.
 */
import { BLOCK, blockMinima, padBlock, TILE, transposeTile } from './block-minima';
import { settle, settleOne } from './settle';
import { INT16_MAX_DIMENSION, int16Errors, int16Minima, int16Tile } from './int16-minima';
import { scratch } from './scratch';

/** Largest d; the transposed rows and a padded block each take 1 MiB of scratch memory. */
export const MAX_DIMENSION: i32 = 32768;
/** Largest n; the lists of 8 rows take 1.5 MiB. */
export const MAX_NEAREST: i32 = 16384;

/** Codewords that are looked at in one go. */
const SLAB: i32 = 65536;
/** Where n is larger, float64 looks at everything. */
const MAX_RANKED: i32 = 8;

const PADDED: usize = 1 << 20;
const MINIMA: usize = 2 << 20;
const RANKED: usize = MINIMA + (<usize>(SLAB / BLOCK) << 5);
const LIMITS: usize = RANKED + (<usize>MAX_RANKED << 5);
const NEAR: usize = LIMITS + 32;
const LISTS: usize = NEAR + 32;

/** Squared distances, float64 [8, n], ascending, of the rows of the last {@link nearestRows}. */
// @ts-ignore: decorator
@inline
export function listedDistances(): usize {
  return scratch() + LISTS;
}

/** Their codewords, int32 [8, n]. */
// @ts-ignore: decorator
@inline
export function listedCodewords(n: i32): usize {
  return scratch() + LISTS + (<usize>n << 6);
}

/**
 * Searches for `rows` rows, 1 to 8, and leaves the result in {@link listedDistances} and
 * {@link listedCodewords}.
 *
 * @param prepared the codebook as integers, for d up to {@link INT16_MAX_DIMENSION}; else 0
 */
export function nearestRows(
  x: usize,
  rows: i32,
  codebook: usize,
  prepared: usize,
  k: i32,
  d: i32,
  n: i32,
): void {
  const tile = scratch();
  const integers = tile + PADDED;
  const minima = tile + MINIMA;
  const bytes = <usize>d << 2;
  transposeTile(x, rows, d, tile);
  const distances = listedDistances();
  for (let i = 0; i < rows * n; i++) store<f64>(distances + (<usize>i << 3), Infinity);
  const quick = prepared != 0 && load<f32>(prepared) != 0 && int16Tile(tile, d, prepared, integers);

  for (let from = 0; from < k; from += SLAB) {
    const count = min(SLAB, k - from);
    const blocks = (count + BLOCK - 1) / BLOCK;
    if (quick) {
      const first = from / BLOCK;
      int16Minima(integers, prepared, d, first, first + blocks, minima);
    } else {
      const slab = codebook + <usize>from * bytes;
      const full = count / BLOCK;
      blockMinima(tile, slab, d, full, minima);
      if (blocks > full) {
        const padded = tile + PADDED;
        padBlock(slab + <usize>(full * BLOCK) * bytes, count - full * BLOCK, d, padded);
        blockMinima(tile, padded, d, 1, minima + (<usize>full << 5));
      }
    }
    rank(minima, blocks, n);
    if (n > MAX_RANKED || n > blocks) limitNothing();
    else if (quick) limitInt16(n, int16Errors(integers, d));
    else limitFloat32(n, d);
    for (let group = 0; group < blocks; group += 32) {
      const near = nearBlocks(minima, group, min(blocks, group + 32));
      for (let row = 0; row < rows; row++) {
        const values = x + <usize>row * bytes;
        for (let bits = load<u32>(near + (<usize>row << 2)); bits != 0; bits &= bits - 1) {
          const first = from + (group + <i32>ctz(bits)) * BLOCK;
          const last = min(first + BLOCK, k);
          if (n == 1) {
            const held = distances + (<usize>row << 3);
            settleOne(values, codebook, first, last, d, held, listedCodewords(1) + (<usize>row << 2));
          } else {
            const list = <usize>(row * n);
            const codewords = listedCodewords(n) + (list << 2);
            settle(values, codebook, first, last, d, n, distances + (list << 3), codewords);
          }
        }
      }
    }
  }
}

/**
 * The n smallest minima of each row, ascending, at RANKED. Integers and distances alike are
 * compared as integers: the bits of floats that are not negative are in the order of the floats.
 */
function rank(minima: usize, blocks: i32, n: i32): void {
  if (n > MAX_RANKED) return;
  const ranked = scratch() + RANKED;
  const stop = ranked + (<usize>n << 5);
  const last = minima + (<usize>blocks << 5);
  if (n == 1) {
    let least0 = i32x4.splat(i32.MAX_VALUE);
    let least1 = i32x4.splat(i32.MAX_VALUE);
    for (let m = minima; m < last; m += 32) {
      least0 = i32x4.min_s(least0, v128.load(m));
      least1 = i32x4.min_s(least1, v128.load(m, 16));
    }
    v128.store(ranked, least0);
    v128.store(ranked, least1, 16);
    return;
  }
  for (let p = ranked; p < stop; p += 16) v128.store(p, i32x4.splat(i32.MAX_VALUE));
  for (let m = minima; m < last; m += 32) {
    let value0 = v128.load(m);
    let value1 = v128.load(m, 16);
    for (let p = ranked; p < stop; p += 32) {
      const held0 = v128.load(p);
      const held1 = v128.load(p, 16);
      v128.store(p, i32x4.min_s(held0, value0));
      v128.store(p, i32x4.min_s(held1, value1), 16);
      value0 = i32x4.max_s(held0, value0);
      value1 = i32x4.max_s(held1, value1);
    }
  }
}

/** The n-th smallest minimum of each row. */
// @ts-ignore: decorator
@inline
function nth(n: i32): usize {
  return scratch() + RANKED + (<usize>(n - 1) << 5);
}

/**
 * The three functions below set LIMITS, per row: the computed minimum above which a block holds none
 * of the n nearest codewords. The n smallest minima belong to n codewords, so the true n-th smallest
 * score is at most what one of those was computed from; errors of both sides are granted.
 */
function limitInt16(n: i32, errors: usize): void {
  const limit = scratch() + LIMITS;
  v128.store(limit, i32x4.add(v128.load(nth(n)), v128.load(errors)));
  v128.store(limit, i32x4.add(v128.load(nth(n), 16), v128.load(errors, 16)), 16);
}

/**
 * A float32 distance is off by a factor of at most 1 + (d + 2) 2^-24 and, where squares underflow, by
 * d 2^-149; twice that is needed, eight times is granted.
 */
function limitFloat32(n: i32, d: i32): void {
  const limit = scratch() + LIMITS;
  const factor = f32x4.splat(1 + <f32>(d + 4) * 9.5367431640625e-7); // 16 (d + 4) 2^-24
  const floor = f32x4.splat(<f32>(d + 4) * 9.183549615799121e-41); // (d + 4) 2^-133
  v128.store(limit, f32x4.add(f32x4.mul(v128.load(nth(n)), factor), floor));
  v128.store(limit, f32x4.add(f32x4.mul(v128.load(nth(n), 16), factor), floor), 16);
}

function limitNothing(): void {
  const limit = scratch() + LIMITS;
  v128.store(limit, i32x4.splat(i32.MAX_VALUE));
  v128.store(limit, i32x4.splat(i32.MAX_VALUE), 16);
}

/** For each row one bit per block from `first` to `last - 1` (at most 32) that is within its limit. */
function nearBlocks(minima: usize, first: i32, last: i32): usize {
  const near = scratch() + NEAR;
  const limit0 = v128.load(scratch() + LIMITS);
  const limit1 = v128.load(scratch() + LIMITS, 16);
  let near0 = i32x4.splat(0);
  let near1 = i32x4.splat(0);
  let bit = i32x4.splat(1);
  const stop = minima + (<usize>last << 5);
  for (let m = minima + (<usize>first << 5); m < stop; m += 32) {
    near0 = v128.or(near0, v128.and(bit, i32x4.le_s(v128.load(m), limit0)));
    near1 = v128.or(near1, v128.and(bit, i32x4.le_s(v128.load(m, 16), limit1)));
    bit = i32x4.add(bit, bit);
  }
  v128.store(near, near0);
  v128.store(near, near1, 16);
  return near;
}
