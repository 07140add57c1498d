import type { RandomStream, Tensor, TensorOps } from '@vq4dit/core';
import { type Comparator, equal, exact, scaled, sumFactor, type Values } from '../comparators.ts';
import { floats, gaussian, type HostTensor, labels, rowIndices } from '../host-tensor.ts';
import { caseId } from '../op-case.ts';
import { compareValues } from '../run-trial.ts';
import { bytesOf, judgeSamples, type Work, type Workload } from './workload.ts';

const M = 256;
const WIDTH = 1152;
const SUBVECTORS = (4608 * 1152) / 4;

/** One output that is compared as a whole. */
function work(
  inputs: readonly HostTensor[],
  run: (ops: TensorOps, inputs: readonly Tensor[]) => Tensor,
  compare: Comparator,
  values: () => Values,
): Work {
  return {
    inputs,
    run: (ops, tensors) => [run(ops, tensors)],
    judge(outputs, limits) {
      const want = values();
      const dtype = want instanceof Int32Array ? 'int32' : 'float32';
      return compareValues(
        outputs,
        [{ shape: [want.length], dtype, values: want, compare }],
        limits,
      );
    },
  };
}

function memory(
  op: Workload['op'],
  params: Parameters<typeof caseId>[1],
  elements: number,
  make: (rng: RandomStream) => Work,
): Workload {
  return { op, params: caseId('', params).slice(1, -1), bytes: bytesOf(elements), make };
}

const tokens = (rng: RandomStream) => gaussian(rng, [M, WIDTH]);

/** A square product of the model's width. */
function matmul(m: number, k: number, n: number): Workload {
  return {
    op: 'matmul',
    params: `m=${m},k=${k},n=${n},tb`,
    flops: 2 * m * k * n,
    bytes: bytesOf(m * k + k * n + m * n),
    make(rng) {
      const [a, b] = [gaussian(rng, [m, k]), gaussian(rng, [n, k])];
      return {
        inputs: [a, b],
        run: (ops, [x, y]) => [ops.matmul(x!, y!, { transposeB: true })],
        judge: ([y], limits) =>
          judgeSamples(
            y!,
            m * n,
            (at) => {
              const [row, col] = [Math.floor(at / n), at % n];
              let [value, size] = [0, 0];
              for (let j = 0; j < k; j++) {
                const term = a.data[row * k + j]! * b.data[col * k + j]!;
                value += term;
                size += Math.abs(term);
              }
              return { value, magnitude: sumFactor('gaussian', k) * size };
            },
            limits,
            { product: true, nmse: true },
          ),
      };
    },
  };
}

/** Every other kernel of the contract, at sizes that a model or its calibration has. */
export const elementaryWorkloads: readonly Workload[] = [
  matmul(M, WIDTH, WIDTH),
  matmul(1024, WIDTH, WIDTH),
  memory('upload', { shape: [4608, WIDTH] }, 4608 * WIDTH, (rng) => {
    const x = gaussian(rng, [4608, WIDTH]);
    return work(
      [],
      (ops) => ops.tensor(x.data as Float32Array, x.shape),
      exact,
      () => x.data,
    );
  }),
  memory('unary', { exp: true, shape: [M, WIDTH] }, 2 * M * WIDTH, (rng) => {
    const x = tokens(rng);
    const magnitude = Float64Array.from(x.data, (v) => Math.exp(v) * (1 + Math.abs(v)));
    const values = () => Float64Array.from(x.data, Math.exp);
    return work([x], (ops, [t]) => ops.exp(t!), scaled(magnitude, 8), values);
  }),
  memory('binary', { add: true, shape: [M, WIDTH] }, 3 * M * WIDTH, () => {
    const [a, b] = [labels([M, WIDTH]), labels([M, WIDTH])];
    const values = () => Float64Array.from(a.data, (v, i) => v + b.data[i]!);
    return work([a, b], (ops, [x, y]) => ops.add(x!, y!), equal, values);
  }),
  memory('binary', { mul: true, a: [M, WIDTH], b: [WIDTH] }, 2 * M * WIDTH, () => {
    const [a, b] = [labels([M, WIDTH]), floats([WIDTH], (i) => (i % 9) - 4)];
    const values = () => Float64Array.from(a.data, (v, i) => v * b.data[i % WIDTH]!);
    return work([a, b], (ops, [x, y]) => ops.mul(x!, y!), equal, values);
  }),
  memory('reduce', { sum: true, shape: [M, WIDTH], axis: 1 }, M * WIDTH, (rng) => {
    const x = tokens(rng);
    const sums = (f: (v: number) => number) =>
      Float64Array.from({ length: M }, (_, row) => {
        let total = 0;
        for (let j = 0; j < WIDTH; j++) total += f(x.data[row * WIDTH + j]!);
        return total;
      });
    const compare = scaled(sums(Math.abs), sumFactor('gaussian', WIDTH));
    return work(
      [x],
      (ops, [t]) => ops.sum(t!, 1),
      compare,
      () => sums((v) => v),
    );
  }),
  memory('argmin', { rows: 4096, n: 256 }, 4096 * 256, (rng) => {
    const x = gaussian(rng, [4096, 256]);
    const values = () =>
      Int32Array.from({ length: 4096 }, (_, row) => {
        const line = x.data.subarray(row * 256, (row + 1) * 256);
        return line.indexOf(Math.min(...line));
      });
    return work([x], (ops, [t]) => ops.argmin(t!), exact, values);
  }),
  memory('gatherRows', { rows: SUBVECTORS, k: 256, d: 4 }, SUBVECTORS * 5, (rng) => {
    const [codebook, codes] = [labels([256, 4]), rowIndices(rng, [SUBVECTORS], 256)];
    const values = () =>
      Float32Array.from({ length: 4 * SUBVECTORS }, (_, i) => {
        return codebook.data[codes.data[i >> 2]! * 4 + (i & 3)]!;
      });
    return work([codebook, codes], (ops, [c, i]) => ops.gatherRows(c!, i!), exact, values);
  }),
  memory('scatterAddRows', { updates: SUBVECTORS, rows: 256, d: 4 }, SUBVECTORS * 5, (rng) => {
    // Small integers: each sum is exact in any order.
    const updates = floats([SUBVECTORS, 4], () => rng.integer(9) - 4);
    const codes = rowIndices(rng, [SUBVECTORS], 256);
    const values = () => {
      const sums = new Float64Array(1024);
      updates.data.forEach((v, i) => {
        sums[codes.data[i >> 2]! * 4 + (i & 3)]! += v;
      });
      return sums;
    };
    return work([updates, codes], (ops, [u, i]) => ops.scatterAddRows(u!, i!, 256), equal, values);
  }),
  memory('permute', { shape: [M, 16, 72], axes: '102' }, 2 * M * WIDTH, () => {
    const x = labels([M, 16, 72]);
    const values = () =>
      Float32Array.from({ length: M * WIDTH }, (_, i) => {
        const [head, token, c] = [Math.floor(i / (M * 72)), Math.floor(i / 72) % M, i % 72];
        return x.data[(token * 16 + head) * 72 + c]!;
      });
    return work([x], (ops, [t]) => ops.permute(t!, [1, 0, 2]), exact, values);
  }),
  memory('slice', { shape: [M, 3 * WIDTH], size: [M, WIDTH] }, 2 * M * WIDTH, () => {
    const x = labels([M, 3 * WIDTH]);
    const values = () =>
      Float32Array.from({ length: M * WIDTH }, (_, i) => {
        return x.data[Math.floor(i / WIDTH) * 3 * WIDTH + WIDTH + (i % WIDTH)]!;
      });
    return work([x], (ops, [t]) => ops.slice(t!, [0, WIDTH], [M, WIDTH]), exact, values);
  }),
  memory('concat', { shapes: `${M}x${WIDTH}+${M}x${WIDTH}`, axis: 0 }, 4 * M * WIDTH, () => {
    const [a, b] = [labels([M, WIDTH]), floats([M, WIDTH], (i) => i % 7)];
    const values = () => Float32Array.from([...a.data, ...b.data]);
    return work([a, b], (ops, xs) => ops.concat([...xs], 0), exact, values);
  }),
];
