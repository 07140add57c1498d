import { InterruptedError, ShapeError } from '../errors.ts';
import type { TensorOps } from '../tensor/ops.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { dampedGram } from './gram.ts';
import { VqWeight, type WeightMatrix } from './quantized-weight.ts';

/** What {@link fitCodebooks} works on. */
export interface CodebookFitOptions {
  /** The floating-point matrix W, [rows, columns]. */
  readonly weight: WeightMatrix;
  /** Codes, which stay, and the codebooks to start from. */
  readonly quantized: VqWeight;
  /** Mean of x x^T over inputs x of the layer, [columns, columns], symmetric. */
  readonly gram: Float64Array;
  /** Part of the mean of the Gram matrix's diagonal that is added to it. Default 0.01. */
  readonly damping?: number;
  /** Most steps of the conjugate gradients. Default 20. */
  readonly iterations?: number;
  readonly signal?: AbortSignal;
}

/** Residuals below this part of the first one are rounding. */
const CONVERGED = 1e-6;

/**
 * The codebooks that change the layer's output least for fixed assignments: minimizes
 * trace((W - W^) H (W - W^)^T), H = E[x x^T], over all codewords at once. That is a linear least
 * squares problem with the normal equations
 *
 *     S^T (S C H) = S^T (W H),
 *
 * S being the assignments, which spread codewords over the matrix. They are solved by conjugate gradients
 * from the codebooks that are there, preconditioned with what each codeword's own weights contribute, so
 * that the error never rises and a codeword without sub-vectors stays. A step is one product of a
 * [rows, columns] matrix with H on the backend.
 *
 * @throws ShapeError where the parts do not fit together; ArgumentError for a negative damping;
 *   InterruptedError when the signal is aborted
 */
export async function fitCodebooks(
  ops: TensorOps,
  { weight, quantized, gram, damping = 0.01, iterations = 20, signal }: CodebookFitOptions,
): Promise<VqWeight> {
  const { name, columns, data } = weight;
  const { groups, k, d, codes, subvectorsPerGroup: count } = quantized;
  if (gram.length !== columns * columns || data.length !== codes.length * d) {
    throw new ShapeError(
      `${name}: a Gram matrix of ${gram.length} elements and ${codes.length} codes do not fit rows of ${columns} weights.`,
    );
  }
  const damped = dampedGram(gram, columns, damping);
  const codebook = Float32Array.from(quantized.codebook);
  await ops.scope(async (s) => {
    const h = s.tensor(new Float32Array(damped), [columns, columns]);
    for (let group = 0; group < groups; group++) {
      const part = { from: group * count, to: (group + 1) * count };
      const own = codebook.subarray(group * k * d, (group + 1) * k * d);
      await fitGroup(s, h, {
        ...{ columns, d, k, gram: damped, codebook: own, iterations },
        weights: data.subarray(part.from * d, part.to * d),
        codes: codes.subarray(part.from, part.to),
        ...(signal && { signal }),
      });
    }
  });
  return new VqWeight({ ...quantized, codebook });
}

interface Group {
  readonly columns: number;
  readonly d: number;
  readonly k: number;
  readonly gram: Float64Array;
  /** [k, d]; changed in place. */
  readonly codebook: Float32Array;
  readonly weights: Float32Array;
  readonly codes: Uint16Array;
  readonly iterations: number;
  readonly signal?: AbortSignal;
}

/** @param h the Gram matrix on the device */
function fitGroup(ops: TensorOps, h: Tensor, group: Group): Promise<void> {
  const { columns, d, k, codebook, weights, codes } = group;
  return ops.scope(async (s) => {
    const assigned = s.indices(Int32Array.from(codes), [codes.length]);
    const rows = weights.length / columns;
    /** S^T (E H) of E [rows, columns] -> [k, d] */
    const gather = (o: TensorOps, error: Tensor) => {
      const moved = o.reshape(o.matmul(error, h), [codes.length, d]);
      return o.scatterAddRows(moved, assigned, k);
    };
    const spread = (o: TensorOps, codewords: Tensor) =>
      o.reshape(o.gatherRows(codewords, assigned), [rows, columns]);
    const product = (direction: Float32Array) =>
      s.scope((o) => o.read(gather(o, spread(o, o.tensor(direction, [k, d])))));

    // r = S^T ((W - S C) H): minus half the gradient.
    const residual = await s.scope((o) => {
      const error = o.sub(
        o.tensor(weights, [rows, columns]),
        spread(o, o.tensor(codebook, [k, d])),
      );
      return o.read(gather(o, error));
    });
    const scale = preconditioner(group);
    const conditioned = () => residual.map((r, i) => (scale[i]! > 0 ? r / scale[i]! : 0));
    let z = conditioned();
    let direction = Float32Array.from(z);
    let energy = dot(residual, z);
    const enough = energy * CONVERGED ** 2;
    for (let i = 0; i < group.iterations && energy > enough; i++) {
      if (group.signal?.aborted)
        throw new InterruptedError('The fit of codebooks was interrupted.');
      const moved = await product(direction);
      const curvature = dot(direction, moved);
      if (!(curvature > 0)) return;
      const step = energy / curvature;
      for (let j = 0; j < codebook.length; j++) {
        codebook[j]! += step * direction[j]!;
        residual[j]! -= step * moved[j]!;
      }
      z = conditioned();
      const next = dot(residual, z);
      direction = z.map((value, j) => value + (next / energy) * direction[j]!);
      energy = next;
    }
  });
}

/** What each codeword's sub-vectors contribute on their own, [k, d]: the diagonal without cross terms. */
function preconditioner({ columns, d, k, gram, codes }: Group): Float64Array {
  const scale = new Float64Array(k * d);
  const perRow = columns / d;
  for (let i = 0; i < codes.length; i++) {
    const column = (i % perRow) * d;
    for (let a = 0; a < d; a++) {
      scale[codes[i]! * d + a]! += gram[(column + a) * columns + column + a]!;
    }
  }
  return scale;
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
