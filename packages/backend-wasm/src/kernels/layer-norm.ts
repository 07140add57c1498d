import { type KernelTensor, sizeOf } from '@vq4dit/core';
import { type Engine, f32 } from '../engine.ts';
import type { KernelGroup } from '../kernel-table.ts';

/** Elements per chunk, about: enough that taking a chunk costs nothing beside it. */
const CHUNK = 8192;
/** Tokens whose gradients for shift and scale are added up in one go. */
const TOKENS = 64;

type Input = KernelTensor<number>;

/** Layer norm, alone and with the modulation of adaLN, and its gradient. */
export const layerNormKernels: KernelGroup = (engine) => ({
  layerNorm(x, epsilon) {
    const [rows, n] = x.shape as [number, number];
    return normalizeRows(engine, 'layerNorm', x, rows, n, [f32(epsilon)]);
  },
  modulatedLayerNorm(x, shift, scale, epsilon) {
    const [images, tokens, n] = x.shape as [number, number, number];
    const more = [f32(epsilon), tokens, shift.handle, scale.handle];
    return normalizeRows(engine, 'modulatedLayerNorm', x, images * tokens, n, more);
  },
  modulatedLayerNormGrad: (x, scale, grad, epsilon) => gradients(engine, x, scale, grad, epsilon),
});

function normalizeRows(
  engine: Engine,
  kernel: string,
  x: Input,
  rows: number,
  n: number,
  more: readonly number[],
): number {
  const perChunk = Math.max(1, Math.floor(CHUNK / n));
  const out = engine.allocate(4 * rows * n);
  engine.run(kernel, [x.handle, out, rows, n, perChunk, ...more], Math.ceil(rows / perChunk));
  return out;
}

/** Sums over tokens are made block by block, then over blocks, in an order that is always the same. */
function gradients(engine: Engine, x: Input, scale: Input, grad: Input, epsilon: number) {
  const [images, tokens, n] = x.shape as [number, number, number];
  const blocks = Math.ceil(tokens / TOKENS);
  const perBlock = Math.ceil(tokens / blocks);
  const outX = engine.allocate(4 * sizeOf(x.shape));
  const shift = engine.allocate(4 * images * n);
  const outScale = engine.allocate(4 * images * n);
  const run = (shifts: number, scales: number) => {
    const tensors = [x.handle, scale.handle, grad.handle, outX, shifts, scales];
    const rest = [tokens, n, blocks, perBlock, f32(epsilon)];
    engine.run('modulatedLayerNormGrad', [...tensors, ...rest], images * blocks);
  };
  if (blocks === 1) run(shift, outScale);
  else {
    const size = 4 * images * blocks * n;
    engine.withTemporary(2 * size, (partial) => {
      run(partial, partial + size);
      engine.run('addPartialSums', [partial, shift, n, blocks], images);
      engine.run('addPartialSums', [partial + size, outScale, n, blocks], images);
    });
  }
  return { x: outX, shift, scale: outScale };
}
