/**
 * Smallest squared distances of 8 rows to blocks of 8 codewords, in float32: the only part of a
 * search that looks at every codeword. Rows lie in lanes, so a codeword's value is loaded once for
 * all of them and nothing is added across lanes.
 */
import { fma } from './simd';

/** Rows of a tile. */
export const TILE: i32 = 8;
/** Codewords of a block. */
export const BLOCK: i32 = 8;

/** Writes x [rows, d], 1 to 8 rows, as [d, 8]; lanes without a row are 0. */
export function transposeTile(x: usize, rows: i32, d: i32, tile: usize): void {
  if (rows < TILE) memory.fill(tile, 0, <usize>d * TILE * 4);
  for (let r = 0; r < rows; r++) {
    for (let a = 0; a < d; a++) {
      store<f32>(tile + (<usize>(a * TILE + r) << 2), load<f32>(x + (<usize>(r * d + a) << 2)));
    }
  }
}

/**
 * Distances are sums of squared differences: each is off by at most (d + 2) 2^-24 of itself, however
 * far rows and codewords lie from zero.
 *
 * @param tile [d, 8]
 * @param codebook [8 blocks, d]
 * @param minima [blocks, 8], written
 */
export function blockMinima(tile: usize, codebook: usize, d: i32, blocks: i32, minima: usize): void {
  if (d == 4) blockMinima4(tile, codebook, blocks, minima);
  else if (d == 2) blockMinima2(tile, codebook, blocks, minima);
  else blockMinimaAny(tile, codebook, d, blocks, minima);
}

// @ts-ignore: decorator
@inline
function square(x: v128, c: v128): v128 {
  const e = f32x4.sub(x, c);
  return f32x4.mul(e, e);
}

// @ts-ignore: decorator
@inline
function addSquare(x: v128, c: v128, sum: v128): v128 {
  const e = f32x4.sub(x, c);
  return fma(e, e, sum);
}

function blockMinima2(tile: usize, codebook: usize, blocks: i32, minima: usize): void {
  const x0 = v128.load(tile);
  const y0 = v128.load(tile, 16);
  const x1 = v128.load(tile, 32);
  const y1 = v128.load(tile, 48);
  const last = codebook + (<usize>blocks << 6);
  for (let block = codebook; block < last; block += 64) {
    let least0 = f32x4.splat(Infinity);
    let least1 = f32x4.splat(Infinity);
    for (let p = block, stop = block + 64; p < stop; p += 16) {
      let c = v128.load32_splat(p);
      let s0 = square(x0, c);
      let s1 = square(y0, c);
      c = v128.load32_splat(p, 4);
      least0 = f32x4.pmin(least0, addSquare(x1, c, s0));
      least1 = f32x4.pmin(least1, addSquare(y1, c, s1));
      c = v128.load32_splat(p, 8);
      s0 = square(x0, c);
      s1 = square(y0, c);
      c = v128.load32_splat(p, 12);
      least0 = f32x4.pmin(least0, addSquare(x1, c, s0));
      least1 = f32x4.pmin(least1, addSquare(y1, c, s1));
    }
    v128.store(minima, least0);
    v128.store(minima, least1, 16);
    minima += 32;
  }
}

function blockMinima4(tile: usize, codebook: usize, blocks: i32, minima: usize): void {
  const x0 = v128.load(tile);
  const y0 = v128.load(tile, 16);
  const x1 = v128.load(tile, 32);
  const y1 = v128.load(tile, 48);
  const x2 = v128.load(tile, 64);
  const y2 = v128.load(tile, 80);
  const x3 = v128.load(tile, 96);
  const y3 = v128.load(tile, 112);
  const last = codebook + (<usize>blocks << 7);
  for (let block = codebook; block < last; block += 128) {
    let least0 = f32x4.splat(Infinity);
    let least1 = f32x4.splat(Infinity);
    for (let p = block, stop = block + 128; p < stop; p += 16) {
      let c = v128.load32_splat(p);
      let s0 = square(x0, c);
      let s1 = square(y0, c);
      c = v128.load32_splat(p, 4);
      s0 = addSquare(x1, c, s0);
      s1 = addSquare(y1, c, s1);
      c = v128.load32_splat(p, 8);
      s0 = addSquare(x2, c, s0);
      s1 = addSquare(y2, c, s1);
      c = v128.load32_splat(p, 12);
      least0 = f32x4.pmin(least0, addSquare(x3, c, s0));
      least1 = f32x4.pmin(least1, addSquare(y3, c, s1));
    }
    v128.store(minima, least0);
    v128.store(minima, least1, 16);
    minima += 32;
  }
}

function blockMinimaAny(tile: usize, codebook: usize, d: i32, blocks: i32, minima: usize): void {
  let c = codebook;
  for (let b = 0; b < blocks; b++) {
    let least0 = f32x4.splat(Infinity);
    let least1 = f32x4.splat(Infinity);
    for (let j = 0; j < BLOCK; j++) {
      let s0 = f32x4.splat(0);
      let s1 = f32x4.splat(0);
      for (let t = tile, stop = c + (<usize>d << 2); c < stop; c += 4, t += 32) {
        const value = v128.load32_splat(c);
        s0 = addSquare(v128.load(t), value, s0);
        s1 = addSquare(v128.load(t, 16), value, s1);
      }
      least0 = f32x4.pmin(least0, s0);
      least1 = f32x4.pmin(least1, s1);
    }
    v128.store(minima, least0);
    v128.store(minima, least1, 16);
    minima += 32;
  }
}

/** Fills a block of which only `count` codewords exist with infinitely far ones. */
export function padBlock(codewords: usize, count: i32, d: i32, padded: usize): void {
  const bytes = <usize>(count * d) << 2;
  memory.copy(padded, codewords, bytes);
  for (let p = padded + bytes, stop = padded + (<usize>(BLOCK * d) << 2); p < stop; p += 4) {
    store<f32>(p, Infinity);
  }
}
