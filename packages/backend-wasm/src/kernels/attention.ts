import { sizeOf } from '@vq4dit/core';
import { type Engine, f32 } from '../engine.ts';
import type { KernelGroup } from '../kernel-table.ts';

/** Of assembly/attention-tiles.ts: floats and bytes of one row of its row layout. */
const WIDTH = 128;
const ROW = 4 * WIDTH;
/** Of assembly/scratch.ts: what every thread has for itself. */
const SCRATCH = 4 * 2 ** 20;
/** Packed keys of a whole head are kept for as long as they fit into a second-level cache. */
const KEPT = 2 ** 20;
/** Bytes of P and dS together; a longer sequence has shorter strips. */
const STRIPS = 1.5 * 2 ** 20;

/** Multi-head attention without a T x T table, and its gradient. */
export const attentionKernels: KernelGroup = (engine) => ({
  selfAttention({ handle, shape }, heads) {
    const [images, tokens, d] = dimensions(shape, heads);
    const plan = planAttention(tokens, d);
    const out = engine.allocate(4 * images * tokens * heads * d);
    const args = [handle, out, tokens, heads, d, plan.blocks, f32(1 / Math.sqrt(d))];
    runInScratch(engine, 'selfAttention', args, [], plan.layout, images * heads * plan.blocks);
    return out;
  },
  selfAttentionGrad(qkv, grad, heads) {
    const [images, tokens, d] = dimensions(qkv.shape, heads);
    const { perStrip, keepsAll, layout } = planGradient(tokens, d);
    const out = engine.allocate(4 * sizeOf(qkv.shape));
    const scale = f32(1 / Math.sqrt(d));
    const args = [qkv.handle, grad.handle, out, tokens, heads, d, scale, perStrip];
    const more = [keepsAll ? 1 : 0];
    runInScratch(engine, 'selfAttentionGrad', args, more, layout, images * heads);
    return out;
  },
});

function dimensions(shape: readonly number[], heads: number): [number, number, number] {
  const [images, tokens, triple] = shape as [number, number, number];
  return [images, tokens, triple / 3 / heads];
}

/** Where parts of the working memory lie, and its size. */
interface Layout {
  readonly offsets: readonly number[];
  readonly bytes: number;
}

function layOut(sizes: readonly number[]): Layout {
  const offsets: number[] = [];
  let bytes = 0;
  for (const size of sizes) {
    offsets.push(bytes);
    bytes += Math.ceil(size / 64) * 64;
  }
  return { offsets, bytes };
}

/** Rows that groups of 6 and 4 cover, as in assembly/attention-tiles.ts. */
const covered = (rows: number) => Math.max(4, rows + (rows % 2));
/** Bytes of a row of d floats, padded to a multiple of 8. */
const lineBytes = (d: number) => 32 * Math.ceil(d / 8);

/** How many blocks of queries a head has, and what one block needs. */
export function planAttention(tokens: number, d: number): { blocks: number; layout: Layout } {
  const blocks = Math.ceil(tokens / WIDTH);
  const rows = covered(Math.ceil(tokens / blocks));
  const line = lineBytes(d);
  const queries = Math.ceil(d / WIDTH) * rows * ROW;
  const layout = layOut([queries, rows * line, WIDTH * line, WIDTH * line, 6 * ROW, 8 * rows]);
  return { blocks, layout };
}

/** How many queries a strip of the gradient has, and what it needs. */
export function planGradient(tokens: number, d: number) {
  const keyBlocks = Math.ceil(tokens / WIDTH);
  const fitting = Math.max(4, 2 * Math.floor(STRIPS / (2 * ROW * keyBlocks) / 2));
  const strips = Math.ceil(tokens / Math.min(WIDTH, fitting));
  const perStrip = Math.ceil(tokens / strips);
  const rows = covered(perStrip);
  const line = lineBytes(d);
  const inRows = Math.ceil(d / WIDTH) * rows * ROW;
  const inPanels = rows * line;
  const probabilities = keyBlocks * rows * ROW;
  const tile = Math.max(rows, covered(WIDTH)) * line;
  const slot = 3 * WIDTH * line;
  const keepsAll = slot * keyBlocks <= KEPT;
  const packed = slot * (keepsAll ? keyBlocks : 1);
  const sizes = [inRows, inRows, inPanels, inPanels, probabilities, probabilities, tile, packed];
  return { perStrip, keepsAll, layout: layOut(sizes) };
}

/**
 * Runs a kernel in the threads' own working memory. What needs more (heads about a thousand wide)
 * gets one block of the heap and runs chunk by chunk.
 */
function runInScratch(
  engine: Engine,
  kernel: string,
  args: readonly number[],
  more: readonly number[],
  { offsets, bytes }: Layout,
  chunks: number,
): void {
  if (bytes <= SCRATCH) {
    engine.run(kernel, [...args, 0, ...more, 0, ...offsets], chunks);
    return;
  }
  engine.withTemporary(bytes, (work) => {
    for (let chunk = 0; chunk < chunks; chunk++) {
      engine.run(kernel, [...args, chunk, ...more, work, ...offsets], 1);
    }
  });
}
