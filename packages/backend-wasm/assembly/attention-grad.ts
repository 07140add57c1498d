import {
  coveredRows, groupRows, multiplyBands, multiplyGroup, multiplyTransposed, ROW, WIDTH,
} from './attention-tiles';
import { packPanels, packRows, packTransposed, roundTo8, touch, unpackRows } from './attention-pack';
import { exp_nonpositive_v128 } from './math';
import { scratch } from './scratch';
import { fma, sumLanes } from './simd';
import { LOWEST, maskTail, rowMaximum } from './softmax-rows';

/**
 * Gradient of selfAttention, one head of one image per chunk. With P = softmax(S), S = q k^T c,
 * c = 1 / sqrt(d) and G the gradient of the output:
 *
 *   dv = P^T G, dP = G v^T, dS = P (dP - rowsum(P dP)), dq = c dS k, dk = c dS^T q.
 *
 * A strip of queries is computed against all keys at a time, so P and dS exist strip by strip only.
 *
 * args: qkv [N, T, 3 H d], grad [N, T, H d], out [N, T, 3 H d], T, H, d, 1 / sqrt(d), queries per
 * strip, number of the first chunk, whether all packed keys are kept (else one block); then working
 * memory (0: the thread's own) and where in it lie: the strip's queries and gradients in rows and in
 * panels, P, dS, a tile, packed keys
 */
export function selfAttentionGrad(args: usize, begin: i32, end: i32): void {
  const qkv = load<usize>(args), grad = load<usize>(args, 4), out = load<usize>(args, 8);
  const tokens = load<i32>(args, 12), heads = load<i32>(args, 16), d = load<i32>(args, 20);
  const perStrip = load<i32>(args, 28), offset = load<i32>(args, 32);
  const width = <usize>(heads * d) << 2; // bytes of a row [H d]
  for (let chunk = begin + offset; chunk < end + offset; chunk++) {
    const image = <usize>(chunk / heads) * <usize>tokens;
    if (chunk % heads == 0 || chunk == begin + offset) {
      touch(qkv + image * 3 * width, <usize>tokens * 3 * width);
      touch(grad + image * width, <usize>tokens * width);
    }
    const column = <usize>(chunk % heads * d) << 2;
    const q = qkv + image * 3 * width + column;
    const g = grad + image * width + column;
    const to = out + image * 3 * width + column;
    for (let first = 0; first < tokens; first += perStrip) {
      strip(args, q, g, to, first, min(perStrip, tokens - first), tokens, d, width);
    }
  }
}

/** What `rows` queries from `first` on add to the gradients of one head. */
function strip(
  args: usize, q: usize, g: usize, to: usize, first: i32, rows: i32, tokens: i32, d: i32, width: usize,
): void {
  const covered = coveredRows(rows);
  const padded = roundTo8(d);
  const panels = padded >> 3;
  const line = <usize>padded << 2;
  const scale = load<f32>(args, 24);
  const keepsAll = load<i32>(args, 36) != 0;
  const given = load<usize>(args, 40);
  const work = given ? given : scratch();
  const queryRows = work + load<usize>(args, 44), gradRows = work + load<usize>(args, 48);
  const queryPanels = work + load<usize>(args, 52), gradPanels = work + load<usize>(args, 56);
  const p = work + load<usize>(args, 60), ds = work + load<usize>(args, 64);
  const tile = work + load<usize>(args, 68), packed = work + load<usize>(args, 72);
  const blockBytes = <usize>covered * ROW; // of P and dS
  const blockLine = <usize>WIDTH * line;
  const slotBytes: usize = 3 * blockLine; // of k^T, v^T and k
  const stride: usize = 3 * width;
  const query = q + <usize>first * stride;
  const incoming = g + <usize>first * width;

  packRows(query, stride, rows, covered, d, scale, queryRows);
  packRows(incoming, width, rows, covered, d, 1, gradRows);
  packPanels(query, stride, rows, d, scale, queryPanels);
  packPanels(incoming, width, rows, d, 1, gradPanels);

  for (let key = 0, block: usize = 0; key < tokens; key += WIDTH, block++) {
    const count = min(WIDTH, tokens - key);
    const slot = packed + (keepsAll ? block * slotBytes : 0);
    if (first == 0 || !keepsAll) {
      const source = q + width + <usize>key * stride;
      packTransposed(source, stride, count, d, slot);
      packTransposed(source + width, stride, count, d, slot + blockLine);
      if (keepsAll) packPanels(source, stride, count, d, 1, slot + 2 * blockLine);
    }
    for (let r = 0; r < covered;) {
      const R = groupRows(covered - r);
      const at = <usize>r * ROW;
      const to = block * blockBytes + at;
      multiplyBands(R, queryRows + at, blockBytes, slot, d, count, p + to);
      maskTail(R, p + to, count);
      multiplyBands(R, gradRows + at, blockBytes, slot + blockLine, d, count, ds + to);
      r += R;
    }
  }

  for (let r = 0; r < rows; r++) differentiateRow(p + <usize>r * ROW, ds + <usize>r * ROW, blockBytes, tokens);

  for (let key = 0, block: usize = 0; key < tokens; key += WIDTH, block++) {
    const count = min(WIDTH, tokens - key);
    const slot = packed + (keepsAll ? block * slotBytes : 0) + 2 * blockLine;
    if (!keepsAll) packPanels(q + width + <usize>key * stride, stride, count, d, 1, slot);
    for (let r = 0; r < covered;) {
      const R = groupRows(covered - r);
      const a = ds + block * blockBytes + <usize>r * ROW;
      multiplyGroup(R, a, slot, <usize>count << 5, panels, count, tile + <usize>r * line, line, key > 0);
      r += R;
    }
  }
  unpackRows(tile, line, rows, d, scale, to + <usize>first * stride, stride, false);

  for (let key = 0, block: usize = 0; key < tokens; key += WIDTH, block++) {
    const count = min(WIDTH, tokens - key);
    const m = coveredRows(count);
    const target = to + width + <usize>key * stride;
    const panelBytes = <usize>rows << 5;
    multiplyTransposed(m, ds + block * blockBytes, queryPanels, panelBytes, panels, rows, tile, line);
    unpackRows(tile, line, count, d, 1, target, stride, first > 0);
    multiplyTransposed(m, p + block * blockBytes, gradPanels, panelBytes, panels, rows, tile, line);
    unpackRows(tile, line, count, d, 1, target + width, stride, first > 0);
  }
}

/** Scores -> P and dP -> dS of one row, whose keys lie in blocks of 128. */
function differentiateRow(p: usize, ds: usize, blockBytes: usize, tokens: i32): void {
  let maximum = LOWEST;
  for (let key = 0, at = p; key < tokens; key += WIDTH, at += blockBytes) {
    maximum = max(maximum, rowMaximum(at, min(WIDTH, tokens - key)));
  }
  const shift = f32x4.splat(maximum);
  let sums = f32x4.splat(0), products = sums;
  for (let key = 0, block: usize = 0; key < tokens; key += WIDTH, block += blockBytes) {
    const end = <usize>roundTo8(min(WIDTH, tokens - key)) << 2;
    for (let j: usize = 0; j < end; j += 32) {
      const at = p + block + j, other = ds + block + j;
      const x = exp_nonpositive_v128(f32x4.sub(v128.load(at), shift));
      const y = exp_nonpositive_v128(f32x4.sub(v128.load(at, 16), shift));
      v128.store(at, x);
      v128.store(at, y, 16);
      sums = f32x4.add(sums, f32x4.add(x, y));
      products = fma(x, v128.load(other), fma(y, v128.load(other, 16), products));
    }
  }
  const inverse: f32 = 1 / sumLanes(sums);
  const factor = f32x4.splat(inverse);
  const mean = f32x4.splat(sumLanes(products) * inverse); // rowsum(P dP)
  for (let key = 0, block: usize = 0; key < tokens; key += WIDTH, block += blockBytes) {
    const end = <usize>roundTo8(min(WIDTH, tokens - key)) << 2;
    for (let j: usize = 0; j < end; j += 16) {
      const at = p + block + j, other = ds + block + j;
      const x = f32x4.mul(v128.load(at), factor);
      v128.store(at, x);
      v128.store(other, f32x4.mul(x, f32x4.sub(v128.load(other), mean)));
    }
  }
}
