import {
  type Activation,
  codeWidth,
  linear,
  PackedWeight,
  packCodes,
  packedByteLength,
} from '@vq4dit/core';
import { GATES } from '../cases/gates.ts';
import { sumFactor } from '../comparators.ts';
import { floats, gaussian, type HostTensor, rowIndices } from '../host-tensor.ts';
import { caseId } from '../op-case.ts';
import { judgeSamples, type Sample, type Workload } from './workload.ts';

/** Sizes of a linear layer and what follows its product. */
export interface Layer {
  readonly name: string;
  readonly rows: number;
  readonly in: number;
  readonly out: number;
  readonly activation?: Activation;
  /** With gate and residual. */
  readonly gated?: boolean;
}

/** The codebook of a layer at 2 bits: 256 codewords of 4 weights. */
const K = 256;
const D = 4;

/** A linear layer with bias, its weight a matrix or packed. */
export function linearWorkload(layer: Layer, packed: boolean): Workload {
  const { name, rows, in: width, out, activation = 'none', gated = false } = layer;
  const tag = packed ? `packed,k=${K},d=${D}` : 'dense';
  const id = caseId('', { [name]: true, rows, in: width, out, gated, [tag]: true });
  const weightBytes = packed ? packedByteLength((out * width) / D, codeWidth(K)) : 4 * out * width;
  const epilogue = out + (gated ? out + rows * out : 0);
  return {
    op: 'linear',
    params: id.slice(1, -1),
    flops: 2 * rows * width * out,
    bytes: 4 * (rows * width + rows * out + epilogue) + weightBytes,
    make(rng) {
      const x = gaussian(rng, gated ? [1, rows, width] : [rows, width]);
      const bias = gaussian(rng, [out]);
      const rest = gated ? [gaussian(rng, [1, out]), gaussian(rng, [1, rows, out])] : [];
      const small = (shape: readonly number[]) =>
        floats(shape, () => rng.normal() / Math.sqrt(width));
      const matrix = packed ? small([K, D]) : small([out, width]);
      const codes = packed ? rowIndices(rng, [(out * width) / D], K) : undefined;
      const weightAt = (r: number, c: number) => {
        const at = r * width + c;
        return codes
          ? matrix.data[codes.data[Math.floor(at / D)]! * D + (at % D)]!
          : matrix.data[at]!;
      };
      const sample = sampler({ x, bias, rest, width, out, activation }, weightAt);
      return {
        inputs: [x, bias, ...rest, ...(packed ? [] : [matrix])],
        ...(codes && {
          prepare: (ops) =>
            PackedWeight.upload(ops, {
              name,
              ...{ rows: out, columns: width, groups: 1, k: K, d: D },
              codes: packCodes(codes.data as Int32Array, codeWidth(K)),
              codebook: matrix.data as Float32Array,
            }),
        }),
        run(ops, [t, b, ...others], prepared) {
          const weight = prepared ?? others.pop()!;
          const ending = gated && { gated: { gate: others[0]!, residual: others[1]! } };
          return [linear(ops, t!, weight, { bias: b, activation, ...ending })];
        },
        judge: ([y], limits) =>
          judgeSamples(y!, rows * out, sample, limits, { product: true, nmse: !gated }),
      };
    },
  };
}

interface Parts {
  readonly x: HostTensor;
  readonly bias: HostTensor;
  readonly rest: readonly HostTensor[];
  readonly width: number;
  readonly out: number;
  readonly activation: Activation;
}

/** One element of the layer's output by its definition; tolerances as in the cases of `linear`. */
function sampler(parts: Parts, weight: (row: number, column: number) => number) {
  const { x, bias, rest, width, out, activation } = parts;
  return (at: number): Sample => {
    const [row, col] = [Math.floor(at / out), at % out];
    let value = bias.data[col]!;
    let size = Math.abs(value);
    for (let j = 0; j < width; j++) {
      const term = x.data[row * width + j]! * weight(col, j);
      value += term;
      size += Math.abs(term);
    }
    size *= sumFactor('gaussian', width + 1);
    if (activation !== 'none') {
      const gate = GATES[activation];
      size = gate.steepest * size + 8 * gate.magnitude(value);
      value = gate.value(value);
    }
    const [gate, residual] = rest;
    if (!gate || !residual) return { value, magnitude: size };
    const g = gate.data[col]!;
    const r = residual.data[at]!;
    return {
      value: r + g * value,
      magnitude: (size + 2 * Math.abs(value)) * Math.abs(g) + Math.abs(r),
    };
  };
}

/** The linear layers of one block of DiT-XL/2 at 256 x 256 pixels, and adaLN for two images. */
export const DIT_XL_LAYERS: readonly Layer[] = [
  { name: 'qkv', rows: 256, in: 1152, out: 3456 },
  { name: 'proj', rows: 256, in: 1152, out: 1152, gated: true },
  { name: 'fc1', rows: 256, in: 1152, out: 4608, activation: 'gelu' },
  { name: 'fc2', rows: 256, in: 4608, out: 1152, gated: true },
  { name: 'adaLN', rows: 2, in: 1152, out: 6912 },
];

export const linearWorkloads: readonly Workload[] = DIT_XL_LAYERS.flatMap((layer) => [
  linearWorkload(layer, false),
  linearWorkload(layer, true),
]);
