import {
  type Backend,
  type DType,
  type FusedKernels,
  type KernelTensor,
  packCodes,
  RandomStream,
  type RequiredKernels,
  type Shape,
  sizeOf,
} from '@vq4dit/core';

type Handle = number;
type T = KernelTensor<Handle>;
/** Every kernel of the contract. */
export type KernelName = keyof RequiredKernels<Handle> | keyof FusedKernels<Handle>;

/** Makes inputs on a backend, always the same ones, and remembers them. */
export class Inputs {
  readonly backend: Backend<Handle>;
  readonly #random = new RandomStream(7, 'workload');
  readonly #made: Handle[] = [];

  constructor(backend: Backend<Handle>) {
    this.backend = backend;
  }

  /** Normal random numbers. */
  floats(...shape: number[]): T {
    return this.#upload(this.#random.fillNormal(new Float32Array(sizeOf(shape))), shape, 'float32');
  }

  /** Squares of normal random numbers. */
  squares(...shape: number[]): T {
    const data = this.#random.fillNormal(new Float32Array(sizeOf(shape)));
    return this.#upload(
      data.map((value) => value * value),
      shape,
      'float32',
    );
  }

  /** Random integers in [0, below). */
  integers(below: number, ...shape: number[]): T {
    const data = Int32Array.from({ length: sizeOf(shape) }, () => this.#random.integer(below));
    return this.#upload(data, shape, 'int32');
  }

  /** Random codes of `width` bits, packed. */
  codes(count: number, width: number): T {
    const codes = Uint16Array.from({ length: count }, () => this.#random.integer(2 ** width));
    const bytes = new Uint8Array(Math.ceil((count * width) / 32) * 4);
    bytes.set(packCodes(codes, width));
    const words = new Int32Array(bytes.buffer);
    return this.#upload(words, [words.length], 'int32');
  }

  free(): void {
    for (const handle of this.#made) this.backend.free(handle);
  }

  #upload(data: Float32Array | Int32Array, shape: Shape, dtype: DType): T {
    const handle = this.backend.upload(data, shape, dtype);
    this.#made.push(handle);
    return { handle, shape, dtype };
  }
}

/** Outputs of one call, with their shapes. */
export type Outputs = readonly T[];

const out = (handle: Handle, shape: Shape, dtype: DType = 'float32'): T => ({
  handle,
  shape,
  dtype,
});

/**
 * One call of each kernel, `scale` times as large as the smallest one. Sizes are no multiples of
 * anything.
 */
export function workload(make: Inputs, scale: number): Record<KernelName, () => Outputs> {
  const { kernels, fused } = make.backend;
  const f = fused as FusedKernels<Handle>;
  const rows = 53 * scale;
  const [d, k, n, heads, images] = [4, 61, 3, 4, 3];
  const columns = 44;
  const count = 44 * rows;
  const tokens = 7 * scale + 1;

  const x = make.floats(rows, columns);
  const y = make.floats(rows, columns);
  const z = make.floats(rows, columns);
  const line = make.floats(columns);
  const cube = make.floats(rows, 10, 22);
  const vectors = make.floats(count, d);
  const codebook = make.floats(k, d);
  const indices = make.integers(rows, rows);
  const owners = make.integers(k, count);
  const candidates = make.integers(k, count, n);
  const ratios = make.floats(count, n);
  const qkv = make.floats(images, tokens, 3 * columns);
  const sequence = make.floats(images, tokens, columns);
  const sequenceGrad = make.floats(images, tokens, columns);
  const [shift, rate] = [make.floats(images, columns), make.floats(images, columns)];
  const weight = make.floats(70, columns);
  const bias = make.floats(70);
  const [gate, residual] = [make.floats(images, 70), make.floats(images * tokens, 70)];
  const packed = {
    codes: make.codes((70 * columns) / d, 6),
    codebook: make.floats(2 * 64, d),
    ...{ rows: 70, columns, groups: 2, width: 6 },
  };
  const [a, b] = [make.floats(2, rows, columns), make.floats(2, rows, columns)];
  const square = make.squares(rows, columns);
  const constants = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

  return {
    unary: () => [
      ...(['exp', 'sin', 'tanh', 'sigmoid', 'neg'] as const).map((op) =>
        out(kernels.unary(op, x), x.shape),
      ),
      out(kernels.unary('log', square), x.shape),
    ],
    binary: () => [
      out(kernels.binary('add', x, y, x.shape), x.shape),
      out(kernels.binary('mul', x, line, x.shape), x.shape),
    ],
    matmul: () => [
      out(kernels.matmul(a, b, false, true), [2, rows, rows]),
      out(kernels.matmul(a, b, true, false), [2, columns, columns]),
    ],
    reduce: () => [
      out(kernels.reduce('sum', { ...x, shape: [rows, columns, 1] }), [rows]),
      out(kernels.reduce('sum', { ...x, shape: [1, rows * columns, 1] }), [1]),
      out(kernels.reduce('sum', { ...x, shape: [1, rows, columns] }), [columns]),
      out(kernels.reduce('max', cube), [rows, 22]),
    ],
    argmin: () => [out(kernels.argmin(x), [rows], 'int32')],
    gatherRows: () => [out(kernels.gatherRows(x, indices), x.shape)],
    scatterAddRows: () => [
      out(kernels.scatterAddRows(vectors, owners, k), [k, d]),
      out(kernels.scatterAddRows(x, indices, rows), x.shape),
    ],
    permute: () => [out(kernels.permute(cube, [2, 0, 1]), [22, rows, 10])],
    slice: () => [out(kernels.slice(cube, [1, 3, 6], [rows - 1, 6, 15]), [rows - 1, 6, 15])],
    concat: () => [out(kernels.concat([x, y], 1), [rows, 2 * columns])],
    nearest: () => {
      const { indices, distances } = kernels.nearest(vectors, codebook, n);
      return [out(indices, [count, n], 'int32'), out(distances, [count, n])];
    },
    softmax: () => [out(f.softmax(x), x.shape)],
    layerNorm: () => [out(f.layerNorm(x, 1e-6), x.shape)],
    gelu: () => [out(f.gelu(x), x.shape)],
    silu: () => [out(f.silu(x), x.shape)],
    geluGrad: () => [out(f.geluGrad(x, y), x.shape)],
    siluGrad: () => [out(f.siluGrad(x, y), x.shape)],
    softReconstruct: () => [out(f.softReconstruct(codebook, candidates, ratios), vectors.shape)],
    softReconstructGrad: () => {
      const grads = f.softReconstructGrad(codebook, candidates, ratios, vectors);
      return [out(grads.codebook, [k, d]), out(grads.ratios, ratios.shape)];
    },
    lloydStep: () => {
      const { indices, sums, counts } = f.lloydStep(vectors, codebook);
      return [out(indices, [count], 'int32'), out(sums, [k, d]), out(counts, [k])];
    },
    rmspropStep: () => {
      const options = { learningRate: 1e-3, decay: 0.99, epsilon: 1e-8 };
      const step = f.rmspropStep(x, y, square, options);
      return [out(step.value, x.shape), out(step.square, x.shape)];
    },
    adamwStep: () => {
      const step = f.adamwStep(x, y, z, square, { ...constants, weightDecay: 0.01, step: 3 });
      return [step.value, step.mean, step.square].map((handle) => out(handle, x.shape));
    },
    linear: () => {
      const tokensOfAll = { ...sequence, shape: [images * tokens, columns] };
      const shape = [images * tokens, 70];
      return [
        out(f.linear(tokensOfAll, weight, { bias, activation: 'gelu' }), shape),
        out(
          f.linear(tokensOfAll, packed, { activation: 'none', gated: { gate, residual } }),
          shape,
        ),
        // One row per image, as in the modulation of a block.
        out(f.linear(shift, packed, { bias, activation: 'silu' }), [images, 70]),
      ];
    },
    selfAttention: () => [out(f.selfAttention(qkv, heads), sequence.shape)],
    selfAttentionGrad: () => [out(f.selfAttentionGrad(qkv, sequenceGrad, heads), qkv.shape)],
    modulatedLayerNorm: () => [
      out(f.modulatedLayerNorm(sequence, shift, rate, 1e-6), sequence.shape),
    ],
    modulatedLayerNormGrad: () => {
      const grads = f.modulatedLayerNormGrad(sequence, rate, sequenceGrad, 1e-6);
      return [
        out(grads.x, sequence.shape),
        out(grads.shift, shift.shape),
        out(grads.scale, shift.shape),
      ];
    },
  };
}
