import { Tape } from '../../autodiff/tape.ts';
import { meanSquaredError } from '../../nn/linear.ts';
import type { TensorOps } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { CalibratedLayer } from './layer.ts';
import { type BlockStack, type CalibrationStep, replaceWeights } from './model.ts';
import type { CalibrationOptions } from './options.ts';

/** One optimizer step of the calibration. */
export interface DistillationStep {
  readonly ops: TensorOps;
  readonly stack: BlockStack;
  readonly layers: ReadonlyMap<string, CalibratedLayer>;
  readonly teacher: CalibrationStep;
  readonly options: CalibrationOptions;
  readonly rates: CalibrationOptions['learningRates'];
  /** lambda_r, given the mean penalty of the soft layers where the schedule depends on it. */
  penaltyWeight(penalty: number): number;
}

/**
 * Loss and gradients of one timestep (equations 8 and 10), followed by the RMSprop update.
 *
 * With floating-point block inputs the blocks do not depend on each other: each has its own tape,
 * and the memory needed is that of one block. With quantized inputs one tape spans all of them.
 */
export async function distill(
  step: DistillationStep,
): Promise<{ blockError: number; penalty: number }> {
  const { ops, stack, options } = step;
  const blocks = Array.from({ length: stack.blockCount }, (_, i) => i);
  const soft = [...step.layers.values()].filter((layer) => !layer.hard);
  const independent = fedByOriginal(options, soft.length > 0);

  return ops.scope(async (s) => {
    const stalled = options.penaltySchedule === 'when-stalled' && soft.length > 0;
    const before = stalled ? await currentPenalty(s, soft, options) : 0;
    const share = step.penaltyWeight(before) / Math.max(1, soft.length);
    const errors: Tensor[] = [];
    const penalties: Tensor[] = [];
    for (const group of independent ? blocks.map((block) => [block]) : [blocks]) {
      const measured = trainBlocks(s, step, group, share, independent);
      errors.push(...measured.errors);
      penalties.push(...measured.penalties);
    }
    return {
      blockError: await meanOf(s, errors),
      penalty: await meanOf(s, penalties),
    };
  });
}

/** Whether every block gets the floating-point output of the one before it. */
function fedByOriginal({ blockInputs }: CalibrationOptions, anySoft: boolean): boolean {
  return (
    blockInputs === 'floating-point' || (blockInputs === 'floating-point-while-soft' && anySoft)
  );
}

/** Differentiates the loss of some blocks and updates their layers. */
function trainBlocks(
  ops: TensorOps,
  step: DistillationStep,
  blocks: number[],
  share: number,
  independent: boolean,
) {
  const { stack, options } = step;
  const layers = blocks.flatMap((block) =>
    stack.layersOf(block).map((name) => step.layers.get(name)!),
  );
  const perLayer = layers.map((layer) => {
    const { codebook, bias, logits } = layer.leaves;
    return logits ? [codebook, bias, logits] : [codebook, bias];
  });
  const leaves = perLayer.flat();
  using tape = new Tape(ops, leaves);
  const measured = tape.ops.scope((o) => blockLosses(o, step, blocks, layers, independent));

  const loss = tape.ops.scope((o) => {
    const weight = o.scalar(options.distillationWeight / stack.blockCount);
    const distillation = o.mul(total(o, measured.errors), weight);
    if (measured.penalties.length === 0 || share === 0) return distillation;
    return o.add(distillation, o.mul(total(o, measured.penalties), o.scalar(share)));
  });
  const grads = tape.gradients(loss, leaves);
  let at = 0;
  layers.forEach((layer, i) => {
    const [codebook, bias, logits] = grads.slice(at, at + perLayer[i]!.length);
    at += perLayer[i]!.length;
    layer.apply(step.ops, { codebook: codebook!, bias: bias!, logits }, step.rates, options);
  });
  for (const grad of grads) grad.dispose();
  return measured;
}

/** MSE of each block's output and the ratio penalty of each soft layer, recorded. */
function blockLosses(
  ops: TensorOps,
  { stack, teacher, options }: DistillationStep,
  blocks: number[],
  layers: CalibratedLayer[],
  independent: boolean,
) {
  const penalties: Tensor[] = [];
  const calibrated = new Map<string, Tensor>();
  for (const layer of layers) {
    const { weight, penalty } = layer.forward(ops, options.penalty);
    calibrated.set(`${layer.name}.weight`, weight);
    calibrated.set(`${layer.name}.bias`, layer.leaves.bias);
    if (penalty) penalties.push(penalty);
  }
  const lookup = replaceWeights(stack.weights, calibrated);
  let own: Tensor | undefined;
  const errors = blocks.map((block) => {
    const floating = block === 0 ? teacher.tokens : teacher.blockOutputs[block - 1]!;
    const input = independent ? floating : (own ?? floating);
    own = stack.forwardBlock(ops, block, input, teacher.conditioning, lookup);
    return meanSquaredError(ops, own, teacher.blockOutputs[block]!);
  });
  return { errors, penalties };
}

/** The mean ratio penalty of the soft layers before the step. */
function currentPenalty(
  ops: TensorOps,
  soft: readonly CalibratedLayer[],
  options: CalibrationOptions,
): Promise<number> {
  const penalties = soft.map((layer) => layer.penalty(ops, options.penalty));
  return meanOf(ops, penalties);
}

function total(ops: TensorOps, scalars: readonly Tensor[]): Tensor {
  return scalars.reduce((sum, scalar) => ops.add(sum, scalar));
}

/** Mean of some scalars, by one read; 0 of none. */
async function meanOf(ops: TensorOps, scalars: readonly Tensor[]): Promise<number> {
  if (scalars.length === 0) return 0;
  const joined = ops.scope((s) =>
    s.concat(
      scalars.map((x) => s.reshape(x, [1])),
      0,
    ),
  );
  const values = await ops.read(joined);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
