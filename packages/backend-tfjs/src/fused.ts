import type { FusedKernels } from '@vq4dit/core';
import { type Kernel, type TfDevice, withWork } from './device.ts';
import { layerNormLoop } from './host/layer-norm.ts';
import { rmspropLoop } from './host/rmsprop.ts';
import { softReconstructLoop } from './host/soft-reconstruct.ts';
import { softReconstructGradLoop } from './host/soft-reconstruct-grad.ts';
import { pairDifferences, SHORT_SOFTMAX, softmaxLoop } from './host/softmax.ts';
import type { TensorInfo } from './tf.ts';

/** The fused kernels: those that TensorFlow.js has, and loops where the data is in reach. */
export function fusedKernels(device: TfDevice): Partial<FusedKernels<TensorInfo>> {
  const { host } = device;
  const kernels: Partial<FusedKernels<TensorInfo>> = {
    softmax: (x) => softmax(device, x),
    gelu: (x) => gelu(device, x),
    silu: (x) =>
      withWork(device, (w) => {
        const flat = w.input(x, [sizeOf(x)]);
        return w.run('Multiply', { a: flat, b: w.run('Sigmoid', { x: flat }) });
      }),
  };
  if (!host) return kernels;
  Object.assign(kernels, {
    layerNorm: (x, epsilon) => layerNormLoop(host, x, epsilon),
    softReconstruct: (codebook, candidates, ratios) =>
      softReconstructLoop(host, codebook, candidates, ratios),
    softReconstructGrad: (codebook, candidates, ratios, grad) =>
      softReconstructGradLoop(host, codebook, candidates, ratios, grad),
  } satisfies Partial<FusedKernels<TensorInfo>>);
  // On wasm the nine vectorised passes of the composition take 12 ms for two million values, and
  // this loop, with its square roots and divisions one at a time, 15 ms.
  if (device.name === 'wasm') return kernels;
  return {
    ...kernels,
    rmspropStep: (value, grad, square, options) => rmspropLoop(host, value, grad, square, options),
  };
}

/** x [rows, n] -> [rows, n]. */
function softmax(device: TfDevice, x: Kernel): TensorInfo {
  const { host } = device;
  const n = x.shape[1]!;
  if (host && n <= SHORT_SOFTMAX && n !== 2) return softmaxLoop(host, x);
  return withWork(device, (w) =>
    host && n === 2
      ? w.run('Sigmoid', { x: w.adopt(pairDifferences(host, x)) })
      : w.run('Softmax', { logits: w.input(x) }, { dim: 1 }),
  );
}

const SCALE = 2 * Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715 * SCALE;

/** x sigmoid(x (SCALE + CUBIC x^2)), in six passes of vectorised kernels. */
function gelu(device: TfDevice, x: Kernel): TensorInfo {
  return withWork(device, (w) => {
    const flat = w.input(x, [sizeOf(x)]);
    const bent = w.run('Multiply', { a: w.run('Square', { x: flat }), b: w.scalar(CUBIC) });
    const slope = w.run('Add', { a: bent, b: w.scalar(SCALE) });
    const gate = w.run('Sigmoid', { x: w.run('Multiply', { a: slope, b: flat }) });
    return w.run('Multiply', { a: flat, b: gate });
  });
}

function sizeOf(x: Kernel): number {
  return x.shape.reduce((a, b) => a * b, 1);
}
