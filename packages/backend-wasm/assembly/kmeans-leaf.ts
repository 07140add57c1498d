/**
 * K-means, the rows of one leaf: compares each with the codewords on the leaf's list and adds it to
 * the sums of the nearest. All in float64, and each row's operations in the order in which core's
 * `assignRows` and `addRows` make them: so the bits are those of the host.
 */
import { scratch } from './scratch';

let x: usize = 0;
let d: i32 = 0;
let codebook: usize = 0;
let weights: usize = 0;
let assigned: usize = 0;
let sums: usize = 0;
let masses: usize = 0;
let totals: usize = 0;

/** Rows that are compared at once. */
const TILE: i32 = 4;

/**
 * What the leaves to come have in common.
 *
 * @param rows float32 [N, d]
 * @param codewords float64 [k, d]
 * @param rowWeights float64 [N], or 0 where all rows weigh 1
 * @param assignments uint16 [N]
 * @param partial float64: sums [k, d], masses [k], squared error, number of changed assignments
 */
export function setLeafContext(
  rows: usize,
  dimension: i32,
  codewords: usize,
  k: i32,
  rowWeights: usize,
  assignments: usize,
  partial: usize,
): void {
  x = rows;
  d = dimension;
  codebook = codewords;
  weights = rowWeights;
  assigned = assignments;
  sums = partial;
  masses = partial + (<usize>(k * d) << 3);
  totals = masses + (<usize>k << 3);
}

/** Assigns rows first .. stop - 1; list .. listEnd are ascending codewords, uint16, at least one. */
export function assignLeaf(
  first: i32,
  stop: i32,
  list: usize,
  listEnd: usize,
  work: usize,
): void {
  if (d == 4) assignLeaf4(first, stop, list, listEnd);
  else assignLeafAny(first, stop, list, listEnd, work);
}

function assignLeaf4(first: i32, stop: i32, list: usize, listEnd: usize): void {
  for (let row = first; row < stop; row += TILE) {
    const p = x + (<usize>row << 4);
    // What is missing to four rows is filled up with the first of them.
    const count = stop - row;
    const r0 = v128.load(p);
    const r1 = v128.load(p + select<usize>(16, 0, count > 1));
    const r2 = v128.load(p + select<usize>(32, 0, count > 2));
    const r3 = v128.load(p + select<usize>(48, 0, count > 3));
    const r01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
    const r23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
    const s01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
    const s23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
    const x0 = f64x2.promote_low_f32x4(r01);
    const y0 = f64x2.promote_low_f32x4(r23);
    const x1 = f64x2.promote_low_f32x4(v128.shuffle<f64>(r01, r01, 1, 1));
    const y1 = f64x2.promote_low_f32x4(v128.shuffle<f64>(r23, r23, 1, 1));
    const x2 = f64x2.promote_low_f32x4(s01);
    const y2 = f64x2.promote_low_f32x4(s23);
    const x3 = f64x2.promote_low_f32x4(v128.shuffle<f64>(s01, s01, 1, 1));
    const y3 = f64x2.promote_low_f32x4(v128.shuffle<f64>(s23, s23, 1, 1));
    let least0 = f64x2.splat(Infinity);
    let least1 = f64x2.splat(Infinity);
    let at0 = i64x2.splat(0);
    let at1 = i64x2.splat(0);
    for (let p = list; p < listEnd; p += 2) {
      const codeword = <usize>load<u16>(p);
      const c = codebook + (codeword << 5);
      const c0 = v128.load64_splat(c);
      const c1 = v128.load64_splat(c, 8);
      const c2 = v128.load64_splat(c, 16);
      const c3 = v128.load64_splat(c, 24);
      let e = f64x2.sub(x0, c0);
      let f = f64x2.sub(y0, c0);
      let s = f64x2.mul(e, e);
      let t = f64x2.mul(f, f);
      e = f64x2.sub(x1, c1);
      f = f64x2.sub(y1, c1);
      s = f64x2.add(s, f64x2.mul(e, e));
      t = f64x2.add(t, f64x2.mul(f, f));
      e = f64x2.sub(x2, c2);
      f = f64x2.sub(y2, c2);
      s = f64x2.add(s, f64x2.mul(e, e));
      t = f64x2.add(t, f64x2.mul(f, f));
      e = f64x2.sub(x3, c3);
      f = f64x2.sub(y3, c3);
      s = f64x2.add(s, f64x2.mul(e, e));
      t = f64x2.add(t, f64x2.mul(f, f));
      const found = i64x2.splat(<i64>codeword);
      at0 = v128.bitselect(found, at0, f64x2.lt(s, least0));
      at1 = v128.bitselect(found, at1, f64x2.lt(t, least1));
      least0 = f64x2.pmin(least0, s);
      least1 = f64x2.pmin(least1, t);
    }
    addRow4(row, <i32>i64x2.extract_lane(at0, 0), f64x2.extract_lane(least0, 0), r0);
    if (count < 2) return;
    addRow4(row + 1, <i32>i64x2.extract_lane(at0, 1), f64x2.extract_lane(least0, 1), r1);
    if (count < 3) return;
    addRow4(row + 2, <i32>i64x2.extract_lane(at1, 0), f64x2.extract_lane(least1, 0), r2);
    if (count < 4) return;
    addRow4(row + 3, <i32>i64x2.extract_lane(at1, 1), f64x2.extract_lane(least1, 1), r3);
  }
}

// @ts-ignore: decorator
@inline
function addRow4(row: i32, codeword: i32, distance: f64, values: v128): void {
  const high = v128.shuffle<f64>(values, values, 1, 1);
  let value0 = f64x2.promote_low_f32x4(values);
  let value1 = f64x2.promote_low_f32x4(high);
  let weight: f64 = 1;
  if (weights != 0) {
    weight = load<f64>(weights + (<usize>row << 3));
    value0 = f64x2.mul(f64x2.splat(weight), value0);
    value1 = f64x2.mul(f64x2.splat(weight), value1);
  }
  const sum = sums + (<usize>codeword << 5);
  v128.store(sum, f64x2.add(v128.load(sum), value0));
  v128.store(sum, f64x2.add(v128.load(sum, 16), value1), 16);
  settleRow(row, codeword, weight, distance);
}

/** Keeps the assignment, and adds to mass, error and changes. */
// @ts-ignore: decorator
@inline
function settleRow(row: i32, codeword: i32, weight: f64, distance: f64): void {
  const mass = masses + (<usize>codeword << 3);
  store<f64>(mass, load<f64>(mass) + weight);
  store<f64>(totals, load<f64>(totals) + weight * distance);
  const old = assigned + (<usize>row << 1);
  const isChanged = load<u16>(old) != <u16>codeword;
  store<f64>(totals, load<f64>(totals, 8) + <f64>isChanged, 8);
  store<u16>(old, <u16>codeword);
}

/** @param work float64 [d, 4] */
function assignLeafAny(first: i32, stop: i32, list: usize, listEnd: usize, work: usize): void {
  const bytes = <usize>d << 2;
  const lanes = scratch();
  for (let row = first; row < stop; row += TILE) {
    const count = min(TILE, stop - row);
    const values = x + <usize>row * bytes;
    for (let lane: i32 = 0; lane < TILE; lane++) {
      let from = values + <usize>select<i32>(lane, 0, lane < count) * bytes;
      const end = from + bytes;
      for (let to = work + (<usize>lane << 3); from < end; from += 4, to += 32) {
        store<f64>(to, <f64>load<f32>(from));
      }
    }
    let least0 = f64x2.splat(Infinity);
    let least1 = f64x2.splat(Infinity);
    let at0 = i64x2.splat(0);
    let at1 = i64x2.splat(0);
    for (let p = list; p < listEnd; p += 2) {
      const codeword = <usize>load<u16>(p);
      let c = codebook + codeword * (bytes << 1);
      let s = f64x2.splat(0);
      let t = f64x2.splat(0);
      for (let value = work, end = work + (bytes << 3); value < end; value += 32, c += 8) {
        const own = v128.load64_splat(c);
        const e = f64x2.sub(v128.load(value), own);
        const f = f64x2.sub(v128.load(value, 16), own);
        s = f64x2.add(s, f64x2.mul(e, e));
        t = f64x2.add(t, f64x2.mul(f, f));
      }
      const found = i64x2.splat(<i64>codeword);
      at0 = v128.bitselect(found, at0, f64x2.lt(s, least0));
      at1 = v128.bitselect(found, at1, f64x2.lt(t, least1));
      least0 = f64x2.pmin(least0, s);
      least1 = f64x2.pmin(least1, t);
    }
    v128.store(lanes, at0);
    v128.store(lanes, at1, 16);
    v128.store(lanes, least0, 32);
    v128.store(lanes, least1, 48);
    for (let i = 0; i < count; i++) {
      const found = lanes + (<usize>i << 3);
      addRowAny(row + i, load<i32>(found), load<f64>(found, 32));
    }
  }
}

function addRowAny(row: i32, codeword: i32, distance: f64): void {
  const bytes = <usize>d << 2;
  const weight = weights == 0 ? 1 : load<f64>(weights + (<usize>row << 3));
  let sum = sums + (<usize>(codeword * d) << 3);
  let value = x + <usize>row * bytes;
  for (const end = value + bytes; value < end; value += 4, sum += 8) {
    store<f64>(sum, load<f64>(sum) + weight * <f64>load<f32>(value));
  }
  settleRow(row, codeword, weight, distance);
}
