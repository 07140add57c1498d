import { ArgumentError } from '../../errors.ts';

/**
 * Everything in which recipes of calibration differ. {@link PAPER_RECIPE} follows the paper where it
 * is known, {@link PUBLISHED_CODE_RECIPE} the authors' published program, {@link OUTPUT_ERROR_RECIPE} and
 * {@link BEST_RECIPE} are this project's own; each field may be chosen freely between them.
 */
export interface CalibrationOptions {
  /** Candidate codewords n of each sub-vector, 1 to 4; 1 calibrates codebooks only (equation 5). */
  readonly candidates: number;
  /**
   * Ratios at the start: all 1/n (equation 6); by inverse distance to the sub-vector; or almost 1
   * for the candidate that `assignByOutputError` chooses.
   */
  readonly ratioStart: 'uniform' | 'inverse-distance' | 'output-error';
  /**
   * Rounds of choosing assignments and fitting codebooks by output error (`refineByOutputError`) before
   * the calibration, which then trains codebooks and biases of these assignments; 0 for none.
   */
  readonly refinements: number;
  /** Trajectories that the inputs' statistics are taken from, for output errors; at least 1. */
  readonly statisticsTrajectories: number;
  /**
   * What block l of the quantized model is fed with: the floating-point output of block l - 1, so
   * that errors do not accumulate (equation 8); the quantized model's own output, as in sampling;
   * or the first as long as any assignment is soft and then the second.
   */
  readonly blockInputs: 'floating-point' | 'quantized' | 'floating-point-while-soft';
  /** Weight of the distillation loss, the mean over blocks of the MSE of their outputs (lambda_d). */
  readonly distillationWeight: number;
  /** Weight of the ratio penalty, the mean over layers (lambda_r, equation 10). */
  readonly penaltyWeight: number;
  /** `absolute`: mean of 1 - |2r - 1| (equation 9). `product`: n times the mean of r (1 - r). */
  readonly penalty: 'absolute' | 'product';
  /**
   * When the penalty counts: always; growing from 0 to its full weight until the deadline; or only
   * in steps in which it has not fallen below its best value of the trajectory.
   */
  readonly penaltySchedule: 'constant' | 'ramp' | 'when-stalled';
  /**
   * When assignments become hard. `together`: all at once, when the mean penalty falls below
   * `hardenBelow`. `progressive`: a sub-vector as soon as one ratio is above 1 - `hardenBelow`, and
   * the whole layer when 99 % of it are.
   */
  readonly hardening: 'together' | 'progressive';
  /** Threshold of the penalty, or distance of a ratio from 1; see `hardening`. */
  readonly hardenBelow: number;
  /** Share of all steps after which every assignment is made hard in any case, 0 to 1. */
  readonly hardenDeadline: number;
  /** RMSprop learning rates; at 0 the parameter is left alone. */
  readonly learningRates: {
    /** Of a codebook whose assignments are hard. */
    readonly codebook: number;
    /** Of a codebook whose assignments are still soft; 0 trains it only afterwards. */
    readonly softCodebook: number;
    readonly ratio: number;
    readonly bias: number;
  };
  /**
   * What rates of codebooks are measured in: `weight`, the unit of the weights themselves; or
   * `layer-error`, the root mean square of W - W^ in the layer before the calibration, so that codewords
   * of a finer quantization take smaller steps.
   */
  readonly codebookRateUnit: 'weight' | 'layer-error';
  /**
   * Share of all steps in which the rates of codebooks and biases rise from 0, 0 to 1. RMSprop's first
   * steps are 1 / sqrt(1 - decay) times as long as the rate says, and undo part of a good start.
   */
  readonly warmup: number;
  /**
   * How the rates of codebooks and biases fall over the run: not at all; by half a cosine to 0; or
   * not before the hardening deadline and then by half a cosine.
   */
  readonly learningRateSchedule: 'constant' | 'cosine' | 'cosine-after-deadline';
  readonly rmspropDecay: number;
  readonly rmspropEpsilon: number;
}

/** The paper's method; what its sources leave open is chosen here and measured in `benchmarks/`. */
export const PAPER_RECIPE: CalibrationOptions = {
  candidates: 2,
  ratioStart: 'uniform',
  refinements: 0,
  statisticsTrajectories: 2,
  blockInputs: 'floating-point',
  distillationWeight: 1,
  penaltyWeight: 1,
  penalty: 'absolute',
  penaltySchedule: 'ramp',
  hardening: 'together',
  hardenBelow: 0.01,
  hardenDeadline: 0.6,
  learningRates: { codebook: 3e-4, softCodebook: 3e-4, ratio: 5e-2, bias: 3e-4 },
  codebookRateUnit: 'weight',
  warmup: 0,
  learningRateSchedule: 'cosine',
  rmspropDecay: 0.9,
  rmspropEpsilon: 1e-8,
};

/** What the published program does instead. */
export const PUBLISHED_CODE_RECIPE: CalibrationOptions = {
  ...PAPER_RECIPE,
  ratioStart: 'inverse-distance',
  blockInputs: 'quantized',
  penalty: 'product',
  penaltySchedule: 'when-stalled',
  hardening: 'progressive',
  hardenDeadline: 1,
  learningRates: { codebook: 1e-4, softCodebook: 0, ratio: 5e-2, bias: 1e-4 },
  learningRateSchedule: 'constant',
};

/**
 * A recipe with less error than the published ones at the same number of steps, as measured in
 * `benchmarks/`: assignments are chosen among the candidates by the error of each layer's output, in closed form,
 * and are hard from the start; all steps then train codebooks and biases end to end.
 */
export const OUTPUT_ERROR_RECIPE: CalibrationOptions = {
  ...PAPER_RECIPE,
  candidates: 4,
  ratioStart: 'output-error',
  blockInputs: 'quantized',
  hardenDeadline: 0,
  learningRates: { codebook: 5e-4, softCodebook: 5e-4, ratio: 5e-2, bias: 5e-4 },
};

/**
 * What is used unless another one is asked for, because it has the least error at the same number of
 * steps, as measured in `benchmarks/`: codebooks and assignments are refined in turns under the output
 * error before the training, not assignments alone as in {@link OUTPUT_ERROR_RECIPE}, and the training's
 * steps are as long as the layer's error allows, which matters most where that is small: at 4 bits
 * the other's steps undo a part of a good start.
 */
export const BEST_RECIPE: CalibrationOptions = {
  ...OUTPUT_ERROR_RECIPE,
  refinements: 4,
  codebookRateUnit: 'layer-error',
  learningRates: { ...OUTPUT_ERROR_RECIPE.learningRates, codebook: 0.02, softCodebook: 0.02 },
};

/** @throws ArgumentError for a number outside its range. */
export function checkCalibrationOptions(options: CalibrationOptions): void {
  const { candidates, learningRates } = options;
  if (!Number.isInteger(candidates) || candidates < 1 || candidates > 4) {
    throw new ArgumentError(`The number of candidates must be 1 to 4, not ${candidates}.`);
  }
  const { statisticsTrajectories, refinements } = options;
  if (!Number.isInteger(refinements) || refinements < 0) {
    throw new ArgumentError(`refinements must be an integer of at least 0, not ${refinements}.`);
  }
  if (!Number.isInteger(statisticsTrajectories) || statisticsTrajectories < 1) {
    throw new ArgumentError(
      `statisticsTrajectories must be a positive integer, not ${statisticsTrajectories}.`,
    );
  }
  const { hardenDeadline, hardenBelow, rmspropDecay, warmup } = options;
  const shares = { hardenDeadline, hardenBelow, rmspropDecay, warmup };
  for (const [name, value] of Object.entries(shares)) {
    if (!(value >= 0 && value <= 1)) {
      throw new ArgumentError(`${name} must be between 0 and 1, not ${value}.`);
    }
  }
  const positive = {
    distillationWeight: options.distillationWeight,
    penaltyWeight: options.penaltyWeight,
    rmspropEpsilon: options.rmspropEpsilon,
    'learning rate of codebooks': learningRates.codebook,
    'learning rate of soft codebooks': learningRates.softCodebook,
    'learning rate of ratios': learningRates.ratio,
    'learning rate of biases': learningRates.bias,
  };
  for (const [name, value] of Object.entries(positive)) {
    if (!(value >= 0 && Number.isFinite(value))) {
      throw new ArgumentError(`${name} must be a finite number of at least 0, not ${value}.`);
    }
  }
}
