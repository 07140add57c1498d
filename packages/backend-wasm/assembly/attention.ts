import { multiplyBands, multiplyGroup, coveredRows, groupRows, ROW, WIDTH } from './attention-tiles';
import { packPanels, packRows, packTransposed, roundTo8, touch, unpackRows } from './attention-pack';
import { exp_nonpositive_v128 } from './math';
import { scratch } from './scratch';
import { expRow, LOWEST, maskTail, rowMaximum } from './softmax-rows';

/**
 * softmax(q k^T / sqrt(d)) v per head, one block of queries of one head per chunk, with the running
 * maximum and sum of Milakov and Gimelshein (2018) over blocks of 128 keys, so that no T x T table
 * is built.
 *
 * args: qkv [N, T, 3 H d], out [N, T, H d], T, H, d, query blocks per head, 1 / sqrt(d), number of
 * the first chunk; then working memory (0: the thread's own) and where in it lie: queries, output,
 * transposed keys, values, scores, state
 */
export function selfAttention(args: usize, begin: i32, end: i32): void {
  const qkv = load<usize>(args), out = load<usize>(args, 4);
  const tokens = load<i32>(args, 8), heads = load<i32>(args, 12), d = load<i32>(args, 16);
  const blocks = load<i32>(args, 20), offset = load<i32>(args, 28);
  const perBlock = (tokens + blocks - 1) / blocks;
  const width = <usize>(heads * d) << 2; // bytes of a row [H d]
  for (let chunk = begin + offset; chunk < end + offset; chunk++) {
    const head = (chunk / blocks) % heads, image = chunk / (blocks * heads);
    const first = (chunk % blocks) * perBlock;
    const rows = min(perBlock, tokens - first);
    if (rows <= 0) continue;
    const start = qkv + <usize>(image * tokens) * 3 * width;
    if (head == 0 || chunk == begin + offset) touch(start, <usize>tokens * 3 * width);
    const column = <usize>(head * d) << 2;
    const q = start + column;
    const to = out + <usize>(image * tokens + first) * width + column;
    attend(args, q + <usize>first * 3 * width, rows, q + width, tokens, d, width, to);
  }
}

/** `rows` queries of one head against all keys and values; `width` bytes lie between q, k and v. */
function attend(
  args: usize, q: usize, rows: i32, keys: usize, tokens: i32, d: i32, width: usize, to: usize,
): void {
  const covered = coveredRows(rows);
  const padded = roundTo8(d);
  const line = <usize>padded << 2; // bytes of a row of `output`
  const given = load<usize>(args, 32);
  const work = given ? given : scratch();
  const queries = work + load<usize>(args, 36); // row layout [bands][covered]
  const output = work + load<usize>(args, 40); // [covered, padded]
  const transposed = work + load<usize>(args, 44); // k^T, panels of 8 keys
  const values = work + load<usize>(args, 48); // v, panels of 8 columns
  const scores = work + load<usize>(args, 52); // row layout [6]
  const state = work + load<usize>(args, 56); // maximum and sum of each row

  packRows(q, 3 * width, rows, covered, d, load<f32>(args, 24), queries);
  for (let r = 0; r < covered; r++) {
    store<f32>(state + (<usize>r << 3), LOWEST);
    store<f32>(state + (<usize>r << 3), 0, 4);
  }
  for (let first = 0; first < tokens; first += WIDTH) {
    const count = min(WIDTH, tokens - first);
    const source = keys + <usize>first * 3 * width;
    packTransposed(source, 3 * width, count, d, transposed);
    packPanels(source + width, 3 * width, count, d, 1, values);
    for (let r = 0; r < covered;) {
      const R = groupRows(covered - r);
      const target = output + <usize>r * line;
      multiplyBands(R, queries + <usize>r * ROW, <usize>covered * ROW, transposed, d, count, scores);
      maskTail(R, scores, count);
      for (let i = 0; i < R; i++) {
        const row = <usize>i;
        updateRow(scores + row * ROW, count, state + (<usize>(r + i) << 3), target + row * line, padded);
      }
      multiplyGroup(R, scores, values, <usize>count << 5, padded >> 3, count, target, line, first > 0);
      r += R;
    }
  }
  for (let r = 0; r < rows; r++) {
    const sum = load<f32>(state + (<usize>r << 3), 4);
    unpackRows(output + <usize>r * line, line, 1, d, 1 / sum, to + <usize>r * width, width, false);
  }
}

/** Scores -> exp(score - maximum), in place, and what the new maximum means for the row so far. */
function updateRow(scores: usize, count: i32, state: usize, output: usize, padded: i32): void {
  const before = load<f32>(state);
  const maximum = max(before, rowMaximum(scores, count));
  const sum = expRow(scores, count, maximum);
  const old = load<f32>(state, 4);
  store<f32>(state, maximum);
  if (maximum == before || old == 0) {
    store<f32>(state, old + sum, 4);
    return;
  }
  const factor = exp_nonpositive_v128(f32x4.splat(before - maximum));
  store<f32>(state, old * f32x4.extract_lane(factor, 0) + sum, 4);
  for (let j = 0; j < padded; j += 4) {
    const at = output + (<usize>j << 2);
    v128.store(at, f32x4.mul(v128.load(at), factor));
  }
}
