import { sizeOf } from '@vq4dit/core';
import { f32 } from '../engine.ts';
import type { KernelGroup } from '../kernel-table.ts';

/** Elements per chunk, a multiple of 4: enough that taking a chunk costs nothing beside it. */
const CHUNK = 8192;

/** Optimizer steps, each in one pass over its tensors. */
export const optimizerKernels: KernelGroup = (engine) => ({
  rmspropStep(value, grad, square, { learningRate, decay, epsilon }) {
    const count = sizeOf(value.shape);
    const out = { value: engine.allocate(4 * count), square: engine.allocate(4 * count) };
    const tensors = [value.handle, grad.handle, square.handle, out.value, out.square];
    const constants = [learningRate, decay, 1 - decay, epsilon].map(f32);
    engine.run('rmspropStep', [...tensors, count, CHUNK, ...constants], Math.ceil(count / CHUNK));
    return out;
  },
  adamwStep(value, grad, mean, square, constants) {
    const { learningRate, beta1, beta2, epsilon, weightDecay, step } = constants;
    const count = sizeOf(value.shape);
    const [outValue, outMean, outSquare] = [0, 0, 0].map(() => engine.allocate(4 * count)) as [
      number,
      number,
      number,
    ];
    const inputs = [value.handle, grad.handle, mean.handle, square.handle];
    const shrink = 1 - learningRate * weightDecay;
    const rate = learningRate / (1 - beta1 ** step);
    const root = 1 / Math.sqrt(1 - beta2 ** step);
    const numbers = [shrink, rate, root, beta1, 1 - beta1, beta2, 1 - beta2, epsilon].map(f32);
    const words = [...inputs, outValue, outMean, outSquare, count, CHUNK, ...numbers];
    engine.run('adamwStep', words, Math.ceil(count / CHUNK));
    return { value: outValue, mean: outMean, square: outSquare };
  },
});
