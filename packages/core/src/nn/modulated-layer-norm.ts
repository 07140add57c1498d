import { keepInputs } from '../autodiff/rule.ts';
import { ShapeError } from '../errors.ts';
import type { ComposedOp } from '../tensor/composed.ts';
import type { TensorOps } from '../tensor/ops.ts';
import { formatShape, type Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { layerNorm, layerNormOp } from './layer-norm.ts';

function checkShapes(name: string, x: Shape, ...vectors: readonly Shape[]): void {
  const [n, , d] = x;
  const fits = (v: Shape) => v.length === 2 && v[0] === n && v[1] === d;
  if (x.length === 3 && vectors.every(fits)) return;
  const got = [x, ...vectors].map((s) => formatShape(s)).join(', ');
  throw new ShapeError(`${name}: expected x [N, T, D] and vectors [N, D], got ${got}.`);
}

/** A vector per image, [N, D] -> [N, 1, D], which broadcasts over tokens. */
const perImage = (ops: TensorOps, x: Tensor) => ops.reshape(x, [x.shape[0]!, 1, x.shape[1]!]);

function composeModulation(ops: TensorOps, x: Tensor, shift: Tensor, scale: Tensor, eps: number) {
  return ops.scope((s) => {
    const factor = s.add(perImage(s, scale), s.scalar(1));
    return s.add(s.mul(layerNorm(s, x, eps), factor), perImage(s, shift));
  });
}

/** The composed operation behind {@link modulatedLayerNorm}. */
export const modulatedLayerNormOp: ComposedOp<{ epsilon: number }> = {
  name: 'modulatedLayerNorm',
  outputs([x, shift, scale]) {
    checkShapes('modulatedLayerNorm', x!, shift!, scale!);
    return [{ shape: x! }];
  },
  compose: (ops, [x, shift, scale], { epsilon }) => [
    composeModulation(ops, x!, shift!, scale!, epsilon),
  ],
  fused: (kernels, [x, shift, scale], { epsilon }) => [
    kernels.modulatedLayerNorm(x!, shift!, scale!, epsilon),
  ],
  rule: {
    name: 'modulatedLayerNorm',
    keep: keepInputs(0, 2),
    vjp({ ops, grad, input, attrs }) {
      const [x, shift, scale] = ops.composed(
        modulatedLayerNormGradOp,
        [input(0), input(2), grad],
        attrs,
      );
      return [x, shift, scale];
    },
  },
};

/** Gradients of {@link modulatedLayerNorm} for x, shift and scale, given (x, scale, grad). */
export const modulatedLayerNormGradOp: ComposedOp<{ epsilon: number }> = {
  name: 'modulatedLayerNormGrad',
  outputs([x, scale, grad]) {
    checkShapes('modulatedLayerNormGrad', x!, scale!);
    if (formatShape(grad!) !== formatShape(x!)) {
      throw new ShapeError(
        `modulatedLayerNormGrad: input ${formatShape(x!)} and gradient ${formatShape(grad!)} differ in shape.`,
      );
    }
    return [{ shape: x! }, { shape: scale! }, { shape: scale! }];
  },
  compose(ops, [x, scale, grad], { epsilon }) {
    const normalized = layerNorm(ops, x!, epsilon);
    const inner = ops.mul(grad!, ops.add(perImage(ops, scale!), ops.scalar(1)));
    const [dx] = layerNormOp.rule!.vjp({
      ops,
      grad: inner,
      attrs: { epsilon },
      needs: [true],
      input: () => x!,
      inputShape: () => x!.shape,
      output: () => normalized,
    });
    return [dx!, ops.sum(grad!, 1), ops.sum(ops.mul(grad!, normalized), 1)];
  },
  fused(kernels, [x, scale, grad], { epsilon }) {
    const out = kernels.modulatedLayerNormGrad(x!, scale!, grad!, epsilon);
    return [out.x, out.shift, out.scale];
  },
};

/**
 * Layer norm whose affine part comes from the conditioning, as in adaLN (Peebles & Xie 2022,
 * section 3.2): layerNorm(x) (1 + scale) + shift.
 *
 * @param x [N, T, D]
 * @param shift [N, D]
 * @param scale [N, D]
 * @returns [N, T, D]
 * @throws ShapeError where the shapes do not fit together
 */
export function modulatedLayerNorm(
  ops: TensorOps,
  x: Tensor,
  shift: Tensor,
  scale: Tensor,
  epsilon = 1e-6,
): Tensor {
  // Without a fused gradient it is cheaper to record the parts than to normalize twice.
  if (ops.isRecording(x, shift, scale) && !ops.hasFused('modulatedLayerNormGrad')) {
    checkShapes('modulatedLayerNorm', x.shape, shift.shape, scale.shape);
    return composeModulation(ops, x, shift, scale, epsilon);
  }
  return ops.composed(modulatedLayerNormOp, [x, shift, scale], { epsilon })[0]!;
}
