import { formatShape, type OpQuery, type Shape, type Support, sizeOf } from '@vq4dit/core';
import { EXACT_LIMIT } from './tensor.ts';

/** The largest number that an operation has to hold in float32, by the shapes of its inputs. */
const COUNTED: Partial<Record<OpQuery['op'], (shapes: readonly Shape[]) => number>> = {
  argmin: ([x]) => x!.at(-1)!,
  gatherRows: ([x]) => x![0]!,
  scatterAddRows: ([, indices]) => sizeOf(indices!),
  nearest: ([x, codebook]) => Math.max(x![0]!, codebook![0]!),
  softReconstruct: ([, candidates]) => sizeOf(candidates!),
  softReconstructGrad: ([, candidates]) => sizeOf(candidates!),
};

/** Refuses what a texture cannot hold, and numbers that float32 cannot. */
export function supports({ op, shapes }: OpQuery, maxElements: number): Support {
  const large = shapes.find((shape) => sizeOf(shape) > maxElements);
  if (large !== undefined) {
    return {
      reason: `a tensor of shape ${formatShape(large)} has more than the ${maxElements} elements that a texture of this WebGL can hold; use smaller batches`,
    };
  }
  const count = COUNTED[op]?.(shapes) ?? 0;
  if (count <= EXACT_LIMIT) return true;
  return { reason: `${op} has to count to ${count}, and float32 is exact up to 2^24 only` };
}
