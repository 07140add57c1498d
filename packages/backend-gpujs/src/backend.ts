import type { Backend, FusedKernels, KernelTensor, RequiredKernels } from '@vq4dit/core';
import { sizeOf } from '@vq4dit/core';
import { describeDevice } from './describe.ts';
import { GlDevice } from './device.ts';
import type { GpuClass, GpuTexture } from './gpu-js.ts';
import { activation, activationGrad } from './kernels/activations.ts';
import { argmin } from './kernels/argmin.ts';
import { selfAttention } from './kernels/attention.ts';
import { binary } from './kernels/binary.ts';
import { linear } from './kernels/linear.ts';
import { matmul } from './kernels/matmul.ts';
import { concat, permute, slice } from './kernels/movement.ts';
import { nearest } from './kernels/nearest.ts';
import { layerNorm, modulatedLayerNorm, softmax } from './kernels/normalization.ts';
import { adamwStep, rmspropStep } from './kernels/optimizers.ts';
import { reduce } from './kernels/reduce.ts';
import { gatherRows, scatterAddRows } from './kernels/rows.ts';
import { softReconstruct, softReconstructGrad } from './kernels/soft-reconstruct.ts';
import { unary } from './kernels/unary.ts';
import { type GpujsMode, openGpu } from './open-gpu.ts';
import { supports } from './supports.ts';
import { areExact, type GlTensor, splitValues } from './tensor.ts';

/** Options of {@link createGpujsBackend}. */
export interface GpujsBackendOptions {
  /** The `GPU` class of gpu.js 2.24 or newer. */
  readonly GPU: GpuClass;
  /** `headlessgl` in Node (with the package `gl`), `webgl2` in a browser. */
  readonly mode: GpujsMode;
  /** Versions of gpu.js and what it uses, for `info()`; gpu.js does not tell its own. */
  readonly versions?: Readonly<Record<string, string>>;
  /** The id of the resulting backend. Default: `gpujs-` and the mode. */
  readonly id?: string;
  /** Kernels that stay compiled; beyond, the one not used for longest goes. Default 256. */
  readonly programLimit?: number;
}

/** The handle of {@link createGpujsBackend}. */
export type { GlTensor } from './tensor.ts';

/**
 * The tensor contract on gpu.js in WebGL. Tensors are textures and stay on the device between
 * operations.
 *
 * @throws BackendUnavailableError if WebGL does not start in this mode; the processor is never used
 */
export async function createGpujsBackend(options: GpujsBackendOptions): Promise<Backend<GlTensor>> {
  const { GPU, mode, programLimit = 256 } = options;
  const open = openGpu(GPU, mode);
  const device = new GlDevice(open, programLimit);
  const id = options.id ?? `gpujs-${mode}`;
  const info = describeDevice(id, open, options.versions ?? {});
  /** Tensors of two textures. */
  let split = 0;
  const one = (low: GpuTexture): GlTensor => ({ low });
  const moved = (tensor: GlTensor): GlTensor => {
    if (tensor.high) split++;
    return tensor;
  };

  const kernels: RequiredKernels<GlTensor> = {
    unary: (op, x) => one(unary(device, op, x)),
    binary: (op, a, b, shape) => one(binary(device, op, a, b, shape)),
    matmul: (a, b, transposeA, transposeB) => one(matmul(device, a, b, transposeA, transposeB)),
    reduce: (op, x) => one(reduce(device, op, x)),
    argmin: (x) => one(argmin(device, x)),
    gatherRows: (x, indices) => moved(gatherRows(device, x, indices)),
    scatterAddRows: (updates, indices, rows) => one(scatterAddRows(device, updates, indices, rows)),
    permute: (x, axes) => moved(permute(device, x, axes)),
    slice: (x, begin, size) => moved(slice(device, x, begin, size)),
    concat: (xs, axis) => moved(concat(device, xs, axis)),
    nearest(x, codebook, n) {
      const { indices, distances } = nearest(device, x, codebook, n);
      return { indices: one(indices), distances: one(distances) };
    },
  };

  const fused: Partial<FusedKernels<GlTensor>> = {
    linear: (x, weight, epilogue) => one(linear(device, x, weight, epilogue)),
    selfAttention: (qkv, heads) => one(selfAttention(device, qkv, heads)),
    modulatedLayerNorm: (x, shift, scale, epsilon) =>
      one(modulatedLayerNorm(device, x, shift, scale, epsilon)),
    softmax: (x) => one(softmax(device, x)),
    layerNorm: (x, epsilon) => one(layerNorm(device, x, epsilon)),
    gelu: (x) => one(activation(device, 'gelu', x)),
    silu: (x) => one(activation(device, 'silu', x)),
    geluGrad: (x, grad) => one(activationGrad(device, 'gelu', x, grad)),
    siluGrad: (x, grad) => one(activationGrad(device, 'silu', x, grad)),
    softReconstruct: (codebook, candidates, ratios) =>
      one(softReconstruct(device, codebook, candidates, ratios)),
    softReconstructGrad(codebook, candidates, ratios, grad) {
      const out = softReconstructGrad(device, codebook, candidates, ratios, grad);
      return { codebook: one(out.codebook), ratios: one(out.ratios) };
    },
    rmspropStep(value, grad, square, constants) {
      const out = rmspropStep(device, value, grad, square, constants);
      return { value: one(out.value), square: one(out.square) };
    },
    adamwStep(value, grad, mean, square, constants) {
      const out = adamwStep(device, [value, grad, mean, square], constants);
      return { value: one(out.value), mean: one(out.mean), square: one(out.square) };
    },
  };

  return {
    id: info.id,
    info: () => info,
    supports: (query) => supports(query, device.maxElements),
    upload(data) {
      if (data instanceof Float32Array) return { low: device.upload(data) };
      if (areExact(data)) return { low: device.upload(Float32Array.from(data)) };
      const { low, high } = splitValues(data);
      return moved({ low: device.upload(low), high: device.upload(high) });
    },
    async read({ handle, shape, dtype }: KernelTensor<GlTensor>) {
      const size = sizeOf(shape);
      const low = device.read(handle.low).slice(0, size);
      if (dtype === 'float32') return low;
      if (!handle.high) return Int32Array.from(low);
      const high = device.read(handle.high);
      return Int32Array.from(low, (value, i) => high[i]! * 65536 + value);
    },
    free({ low, high }) {
      device.free(low);
      if (!high) return;
      device.free(high);
      split--;
    },
    async sync() {
      device.finish();
    },
    liveBuffers: () => device.liveTextures - split,
    async close() {
      device.close();
    },
    kernels,
    fused,
  };
}
