import { softReconstruct } from '../../nn/soft-reconstruct.ts';
import { softmax } from '../../nn/softmax.ts';
import type { TensorOps } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { VqWeight } from '../quantized-weight.ts';
import { freezeDecided } from './freeze.ts';
import type { CalibrationOptions } from './options.ts';
import { Parameter, type ParameterState } from './parameter.ts';
import { ratioPenalty } from './penalty.ts';

/** A vector-quantized layer before calibration: its hard quantization and its candidate sets. */
export interface LayerStart {
  readonly weight: VqWeight;
  /** [N, n] codes within the group, nearest first. */
  readonly candidates: Int32Array;
  /** [N, n] logits of the ratios. */
  readonly logits: Float32Array;
  readonly bias: Float32Array;
  /** Root mean square of W - W^, the floating-point matrix less its quantization; see `codebookRateUnit`. */
  readonly error: number;
}

/** All that a layer needs to go on later exactly as if it had not been stopped. */
export interface LayerState {
  readonly codebook: ParameterState;
  readonly bias: ParameterState;
  /** Absent once the assignments are hard. */
  readonly logits?: ParameterState;
  /** [N], 1 where a sub-vector is decided; only with progressive hardening. */
  readonly frozen?: Float32Array;
  /** [N] chosen candidate; present once the assignments are hard. */
  readonly choice?: Int32Array;
}

/** The tensors of one layer that gradients are taken for, in the order of {@link CalibratedLayer.apply}. */
export interface LayerLeaves {
  readonly codebook: Tensor;
  readonly bias: Tensor;
  readonly logits: Tensor | undefined;
}

/**
 * One matrix in calibration: a codebook, a bias, and for each sub-vector n candidates with ratios,
 * or, once hard, a single assignment. Codes count through the codebooks of all row groups.
 */
export class CalibratedLayer implements Disposable {
  readonly name: string;
  private readonly start: LayerStart;
  private readonly n: number;
  private readonly codebook: Parameter;
  private readonly bias: Parameter;
  private logits: Parameter | undefined;
  private frozen: Tensor | undefined; // [N, 1]
  private readonly candidates: Int32Array; // [N, n], counted through all groups
  private candidateTensor: Tensor | undefined; // the same on the device, while soft
  private choice: Int32Array | undefined; // [N]
  private assignment: Tensor | undefined; // int32 [N], once hard

  /** Uploads the layer, as it starts or, given a `state`, as it was left. Dispose it once. */
  constructor(ops: TensorOps, start: LayerStart, options: CalibrationOptions, state?: LayerState) {
    const { weight } = start;
    const { groups, k, d } = weight;
    this.name = weight.name;
    this.start = start;
    this.n = options.candidates;
    this.candidates = start.candidates.map(
      (code, i) => Math.floor(i / (this.n * weight.subvectorsPerGroup)) * k + code,
    );
    const rows = weight.codes.length;
    const parameter = (from: ParameterState | undefined, value: Float32Array, shape: number[]) =>
      from ? new Parameter(ops, from, shape) : Parameter.start(ops, value, shape);
    this.codebook = parameter(state?.codebook, weight.codebook, [groups * k, d]);
    this.bias = parameter(state?.bias, start.bias, [start.bias.length]);
    const choice = state?.choice ?? (this.n === 1 ? new Int32Array(rows) : undefined);
    if (choice) this.assign(ops, choice);
    else {
      this.logits = parameter(state?.logits, start.logits, [rows, this.n]);
      this.candidateTensor = ops.indices(this.candidates, [rows, this.n]);
      if (options.hardening === 'progressive') {
        this.frozen = ops.tensor(state?.frozen ?? new Float32Array(rows), [rows, 1]);
      }
    }
  }

  /** True once every sub-vector has a single assignment; then there are no ratios. */
  get hard(): boolean {
    return this.assignment !== undefined;
  }

  /** The tensors that are trained now; {@link CalibratedLayer.apply} replaces them. */
  get leaves(): LayerLeaves {
    return {
      codebook: this.codebook.value,
      bias: this.bias.value,
      logits: this.logits?.value,
    };
  }

  /** The weight [rows, columns] to compute with (equation 7) and, while soft, the ratio penalty. */
  forward(ops: TensorOps, penalty: CalibrationOptions['penalty']) {
    const { rows, columns } = this.start.weight;
    return ops.scope((s) => {
      if (this.assignment) {
        const hard = s.gatherRows(this.codebook.value, this.assignment); // [N, d]
        return { weight: s.reshape(hard, [rows, columns]), penalty: undefined };
      }
      const ratios = softmax(s, this.logits!.value); // [N, n]
      const soft = softReconstruct(s, this.codebook.value, this.candidateTensor!, ratios); // [N, d]
      return {
        weight: s.reshape(soft, [rows, columns]),
        penalty: ratioPenalty(s, ratios, penalty),
      };
    });
  }

  /** The ratio penalty alone, of a soft layer. */
  penalty(ops: TensorOps, kind: CalibrationOptions['penalty']): Tensor {
    return ops.scope((s) => ratioPenalty(s, softmax(s, this.logits!.value), kind));
  }

  /** Moves the parameters along the gradients of {@link leaves}; a rate of 0 leaves them alone. */
  apply(
    ops: TensorOps,
    grads: { codebook: Tensor; bias: Tensor; logits: Tensor | undefined },
    rates: CalibrationOptions['learningRates'],
    options: CalibrationOptions,
  ): void {
    const step = (learningRate: number) => ({
      learningRate,
      decay: options.rmspropDecay,
      epsilon: options.rmspropEpsilon,
    });
    const unit = options.codebookRateUnit === 'layer-error' ? this.start.error : 1;
    const codebookRate = unit * (this.hard ? rates.codebook : rates.softCodebook);
    if (codebookRate > 0) this.codebook.step(ops, grads.codebook, step(codebookRate));
    if (rates.bias > 0) this.bias.step(ops, grads.bias, step(rates.bias));
    if (!this.logits || !grads.logits) return;
    if (!this.frozen) {
      this.logits.step(ops, grads.logits, step(rates.ratio));
      return;
    }
    const free = ops.scope(
      (s) => s.mul(grads.logits!, s.sub(s.scalar(1), this.frozen!)), // decided rows stay
    );
    this.logits.step(ops, free, step(rates.ratio));
    free.dispose();
    const next = freezeDecided(ops, this.logits.value, this.frozen, options.hardenBelow);
    this.logits.set(next.logits);
    this.frozen.dispose();
    this.frozen = next.frozen;
  }

  /** Share of sub-vectors whose assignment is decided, as a tensor of shape [], while soft. */
  decidedShare(ops: TensorOps): Tensor | undefined {
    return this.frozen && !this.hard ? ops.scope((s) => s.mean(this.frozen!)) : undefined;
  }

  /** Gives every sub-vector the candidate with the highest ratio; equal ratios take the nearer. */
  async harden(ops: TensorOps): Promise<void> {
    if (!this.logits) return;
    const logits = await ops.read(this.logits.value);
    const { n } = this;
    const choice = new Int32Array(logits.length / n);
    for (let i = 0; i < choice.length; i++) {
      let best = 0;
      for (let j = 1; j < n; j++) if (logits[i * n + j]! > logits[i * n + best]!) best = j;
      choice[i] = best;
    }
    this.assign(ops, choice);
  }

  private assign(ops: TensorOps, choice: Int32Array): void {
    const { n, candidates } = this;
    this.choice = choice;
    const codes = choice.map((j, i) => candidates[i * n + j]!);
    this.assignment = ops.indices(codes, [codes.length]);
    this.logits?.[Symbol.dispose]();
    this.logits = undefined;
    this.candidateTensor?.dispose();
    this.candidateTensor = undefined;
    this.frozen?.dispose();
    this.frozen = undefined;
  }

  /** Copies everything that {@link LayerState} holds to the host. */
  async state(ops: TensorOps): Promise<LayerState> {
    return {
      codebook: await this.codebook.state(ops),
      bias: await this.bias.state(ops),
      ...(this.logits && { logits: await this.logits.state(ops) }),
      ...(this.frozen && { frozen: await ops.read(this.frozen) }),
      ...(this.choice && { choice: this.choice.slice() }),
    };
  }

  /** The calibrated layer; call after {@link harden}. */
  async result(ops: TensorOps): Promise<CalibratedWeight> {
    await this.harden(ops);
    const { weight } = this.start;
    const codes = Uint16Array.from(this.choice!, (j, i) => this.start.candidates[i * this.n + j]!);
    return {
      weight: new VqWeight({
        ...vqParts(weight),
        codebook: await ops.read(this.codebook.value),
        codes,
      }),
      bias: await ops.read(this.bias.value),
      choice: this.choice!,
    };
  }

  /** Frees every tensor of the layer. */
  [Symbol.dispose](): void {
    this.codebook[Symbol.dispose]();
    this.bias[Symbol.dispose]();
    this.logits?.[Symbol.dispose]();
    this.candidateTensor?.[Symbol.dispose]();
    this.assignment?.[Symbol.dispose]();
    this.frozen?.[Symbol.dispose]();
  }
}

/** What calibration makes of one layer. */
export interface CalibratedWeight {
  readonly weight: VqWeight;
  readonly bias: Float32Array;
  /** [N] which candidate each sub-vector took, 0 being the nearest. */
  readonly choice: Int32Array;
}

function vqParts({ name, rows, columns, groups, k, d }: VqWeight) {
  return { name, rows, columns, groups, k, d };
}
