import { ShapeError, UnsupportedOpError } from '../errors.ts';
import type { Activation, KernelTensor, LinearEpilogue } from '../tensor/backend.ts';
import type { ComposedOp, OutputSpec } from '../tensor/composed.ts';
import type { TensorOps } from '../tensor/ops.ts';
import { formatShape, type Shape, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { gelu, silu } from './activations.ts';
import { PackedWeight } from './packed-weight.ts';

/** A weight matrix [out, in]: dense, or packed as vector quantization stores it. */
export type LinearWeight = Tensor | PackedWeight;

/** What follows the product, in this order: bias, activation, then gate and residual. */
export interface LinearOptions {
  /** [out] */
  readonly bias?: Tensor | undefined;
  /** Default `none`. */
  readonly activation?: Activation;
  /** residual + gate * y: residual [N, T, out], gate [N, out], one row per image. */
  readonly gated?: { readonly gate: Tensor; readonly residual: Tensor };
}

/** What a linear layer consists of beside its inputs. */
export interface LinearAttrs {
  /** Applied to the product with its bias. */
  readonly activation: Activation;
  /** Whether a bias follows the weight among the inputs. */
  readonly hasBias: boolean;
  /** Whether gate and residual are the last inputs. */
  readonly gated: boolean;
  /** The weight, where it is not a plain matrix. */
  readonly packed?: PackedWeight;
}

/** Inputs: x, the weight's one or two tensors, then bias, gate and residual where there are any. */
function named<T>(inputs: readonly T[], { hasBias, gated, packed }: LinearAttrs) {
  const rest = inputs.slice(packed ? (packed.deviceCodes ? 3 : 2) : 2);
  return {
    x: inputs[0]!,
    weight: inputs[1]!,
    codes: inputs[2],
    bias: hasBias ? rest.shift() : undefined,
    gate: gated ? rest.shift() : undefined,
    residual: gated ? rest.shift() : undefined,
  };
}

function outputs(shapes: readonly Shape[], attrs: LinearAttrs): readonly OutputSpec[] {
  const { x, weight: given, bias, gate, residual } = named(shapes, attrs);
  const weight = attrs.packed?.shape ?? given;
  const shape = [...x.slice(0, -1), weight[0]!];
  const same = (a: Shape, b: Shape) => formatShape(a) === formatShape(b);
  const images = gate?.[0] ?? 1;
  const fits =
    x.length >= 1 &&
    weight.length === 2 &&
    x.at(-1) === weight[1] &&
    (!bias || same(bias, [weight[0]!])) &&
    (!residual || same(residual, shape)) &&
    (!gate || same(gate, [images, weight[0]!])) &&
    (sizeOf(x) / x.at(-1)!) % images === 0;
  if (!fits) {
    const rest = [bias, gate, residual].filter((s) => s !== undefined);
    const got = [x, weight, ...rest].map((s) => formatShape(s)).join(', ');
    throw new ShapeError(
      `linear: expected x [..., in], weight [out, in] and what follows to fit, got ${got}.`,
    );
  }
  return [{ shape }];
}

/** Bias, activation, gate and residual from required kernels; y [..., out]. */
function finish(ops: TensorOps, y: Tensor, options: LinearOptions): Tensor {
  const { bias, activation = 'none', gated } = options;
  let out = bias ? ops.add(y, bias) : y;
  if (activation !== 'none') out = (activation === 'gelu' ? gelu : silu)(ops, out);
  if (!gated) return out;
  const { gate, residual } = gated;
  const [images, width] = gate.shape as [number, number];
  const split = ops.reshape(out, [images, -1, width]); // [N, T, out]
  const scaled = ops.mul(split, ops.reshape(gate, [images, 1, width]));
  return ops.add(residual, ops.reshape(scaled, residual.shape));
}

function compose(ops: TensorOps, inputs: readonly Tensor[], attrs: LinearAttrs): Tensor[] {
  const { x, weight: given, bias, gate, residual } = named(inputs, attrs);
  if (attrs.packed?.deviceCodes) {
    throw new UnsupportedOpError(
      `linear: ${attrs.packed.name} was packed for the kernel of ${ops.backend.id}; use operations that may call it.`,
    );
  }
  const weight = attrs.packed ? attrs.packed.decode(ops) : given;
  const y = ops.matmul(ops.reshape(x, [-1, x.shape.at(-1)!]), weight, { transposeB: true });
  const shaped = ops.reshape(y, [...x.shape.slice(0, -1), weight.shape[0]!]);
  const { activation } = attrs;
  const gated = gate && { gate, residual: residual! };
  return [finish(ops, shaped, { bias, activation, ...(gated && { gated }) })];
}

function fused(
  kernels: { linear(x: KernelTensor, weight: never, epilogue: LinearEpilogue): unknown },
  inputs: readonly KernelTensor[],
  attrs: LinearAttrs,
): unknown[] {
  const { x, weight, codes, bias, gate, residual } = named(inputs, attrs);
  const asMatrix = (t: KernelTensor) => ({ ...t, shape: rowsOf(t.shape) });
  const { packed } = attrs;
  const operand = packed && {
    codes: codes!,
    codebook: weight,
    rows: packed.shape[0]!,
    columns: packed.shape[1]!,
    groups: packed.groups,
    width: packed.width,
  };
  const epilogue: LinearEpilogue = {
    activation: attrs.activation,
    bias,
    gated: gate && { gate, residual: asMatrix(residual!) },
  };
  return [kernels.linear(asMatrix(x), (operand ?? weight) as never, epilogue)];
}

/** [..., n] -> [rows, n] */
function rowsOf(shape: Shape): Shape {
  const n = shape.at(-1)!;
  return [sizeOf(shape) / n, n];
}

/** The composed operation behind {@link linear}; only its plain form is ever recorded. */
export const linearOp: ComposedOp<LinearAttrs> = {
  name: 'linear',
  outputs,
  compose,
  fused,
  // y = x W^T + b: dx = g W, dW = g^T x, db = the sum of g over rows.
  rule: {
    name: 'linear',
    keep: ([x, weight]) => ({ inputs: [...(weight ? [0] : []), ...(x ? [1] : [])], output: false }),
    vjp({ ops, grad, needs, input, inputShape }) {
      const rows = ops.reshape(grad, rowsOf(grad.shape)); // [rows, out]
      const toRows = (t: Tensor) => ops.reshape(t, rowsOf(t.shape)); // [rows, in]
      return [
        needs[0] ? ops.reshape(ops.matmul(rows, input(1)), inputShape(0)) : undefined,
        needs[1] ? ops.matmul(rows, toRows(input(0)), { transposeA: true }) : undefined,
        ...(needs.length > 2 ? [needs[2] ? ops.sum(rows, 0) : undefined] : []),
      ];
    },
  },
};

/** The same for packed weights, which cannot be trained. */
export const packedLinearOp: ComposedOp<LinearAttrs> = {
  name: 'linear',
  dtypes: ['float32', 'float32', 'int32'],
  outputs,
  compose,
  fused,
};

/**
 * A linear layer: y = activation(x W^T + b), or residual + gate * y. While it is recorded for a
 * gradient the steps after the product are operations of their own.
 *
 * @param x [..., in]
 * @param weight [out, in], dense or packed
 * @returns [..., out]
 * @throws ShapeError where the shapes do not fit together
 */
export function linear(
  ops: TensorOps,
  x: Tensor,
  weight: LinearWeight,
  options: LinearOptions = {},
): Tensor {
  const { bias, activation = 'none', gated } = options;
  const extra = [bias, gated?.gate, gated?.residual].filter((t) => t !== undefined);
  const dense = weight instanceof PackedWeight ? undefined : weight;
  if (ops.isRecording(x, ...extra, ...(dense ? [dense] : []))) {
    return ops.scope((s) => {
      const matrix = dense ?? (weight as PackedWeight).decode(s);
      const inputs = bias ? [x, matrix, bias] : [x, matrix];
      const attrs: LinearAttrs = { activation: 'none', hasBias: bias !== undefined, gated: false };
      const [y] = s.composed(linearOp, inputs, attrs);
      return finish(s, y!, { activation, ...(gated && { gated }) });
    });
  }
  const attrs: LinearAttrs = {
    activation,
    hasBias: bias !== undefined,
    gated: gated !== undefined,
  };
  if (dense) return ops.composed(linearOp, [x, dense, ...extra], attrs)[0]!;
  const packed = weight as PackedWeight;
  const { codebook, deviceCodes } = packed;
  const parts = deviceCodes ? [codebook, deviceCodes] : [codebook];
  // dtypes name the third input as int32: without device codes it is a float32 vector or missing.
  const op = deviceCodes ? packedLinearOp : { ...packedLinearOp, dtypes: undefined };
  return ops.composed(op as ComposedOp<LinearAttrs>, [x, ...parts, ...extra], {
    ...attrs,
    packed,
  })[0]!;
}

/** Mean of the squared differences, over everything -> shape []. */
export function meanSquaredError(ops: TensorOps, a: Tensor, b: Tensor): Tensor {
  return ops.scope((s) => s.mean(s.square(s.sub(a, b))));
}
