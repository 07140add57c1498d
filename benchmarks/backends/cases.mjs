import { WORKLOADS } from '@vq4dit/conformance';

/**
 * What is measured. `compared`: results are judged by comparing one number of every contender with
 * that of the contender named first here that took part; all others are compared with the formula.
 */
export const CASES = [
  ...WORKLOADS.map((workload) => ({
    kind: 'op',
    id: `${workload.op}(${workload.params})`,
    workload,
  })),
  {
    kind: 'kmeans',
    id: 'k-means(fc1 of DiT-XL/2, 1327104 sub-vectors, k=256, d=4, 5 updates)',
    compared: { name: 'distortion', tolerance: 1e-4, by: ['core'] },
  },
  {
    kind: 'calibration',
    id: 'calibration step(demo model, batch 8)',
    compared: { name: 'block error', tolerance: 1e-4, by: ['PyTorch', 'wasm', 'tfjs-wasm'] },
  },
  {
    kind: 'sample',
    id: 'sampling step(demo model, 10 images, guided)',
    compared: { name: 'output', tolerance: 1e-4, by: ['PyTorch', 'wasm', 'tfjs-wasm'] },
  },
];

/**
 * The plain product x W^T, with a bias or without, that a workload is; undefined for the others. Only
 * these are put to the peers, because everybody has them in the same form.
 *
 * @returns m, k, n and the places of x [m, k], w [n, k] and bias [n] among the workload's inputs
 */
export function productOf({ op, params }) {
  const size = (name) => Number(new RegExp(`(?:^|,)${name}=(\\d+)`).exec(params)?.[1]);
  if (op === 'matmul' && params.endsWith(',tb')) {
    return { m: size('m'), k: size('k'), n: size('n'), at: { x: 0, w: 1 } };
  }
  const isPlain = params.endsWith('dense') && !/gated|fc1|gelu/.test(params);
  if (op !== 'linear' || !isPlain) return undefined;
  return { m: size('rows'), k: size('in'), n: size('out'), at: { x: 0, bias: 1, w: 2 } };
}
