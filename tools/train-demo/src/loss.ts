import { meanSquaredError, ShapeError, type Tensor, type TensorOps } from '@vq4dit/core';
import type { DiffusionSchedule } from '@vq4dit/dit';

/** The three numbers of a training step, each a tensor of shape []. */
export interface HybridLoss {
  /** `mse + bound` */
  readonly loss: Tensor;
  /** Mean squared error of the predicted noise. */
  readonly mse: Tensor;
  /** Mean term of the variational bound, in bits per value. */
  readonly bound: Tensor;
}

/** What the model was given and asked for. */
export interface LossTarget {
  /** Clean images x_0 in [-1, 1], [N, C, H, W]. */
  readonly start: Tensor;
  /** The noise that was mixed in, of the same shape. */
  readonly noise: Tensor;
  /** [N], 0 to steps - 1. */
  readonly timesteps: Int32Array;
}

/**
 * The loss that DiTs are trained with (Nichol & Dhariwal 2021, section 3.1): L_simple + 0.001 L_vlb.
 *
 * L_simple is the MSE of the noise (Ho et al. 2020, equation 14) and trains the mean. L_vlb (Nichol &
 * Dhariwal 2021, equations 3 to 6) trains the learned variance alone: no gradient flows through the
 * mean in it. It is the sum over T steps, so one step drawn at random counts T times, and with
 * T = 1000 its weight of 0.001 T is 1.
 *
 * @param output noise and variance as the model predicts them, [N, 2C, H, W]; may depend on leaves
 * @throws ShapeError where the output is not twice as deep as the images
 */
export function hybridLoss(
  ops: TensorOps,
  schedule: DiffusionSchedule,
  output: Tensor,
  { start, noise, timesteps }: LossTarget,
): HybridLoss {
  const [n, channels, height, width] = start.shape as [number, number, number, number];
  if (output.shape.length !== 4 || output.shape[0] !== n || output.shape[1] !== 2 * channels) {
    throw new ShapeError(
      `hybridLoss: the output [${output.shape.join(', ')}] is not noise and variance for images [${start.shape.join(', ')}].`,
    );
  }
  const size = [n, channels, height, width];
  return ops.scope((s) => {
    const predicted = s.slice(output, [0, 0, 0, 0], size);
    const mse = meanSquaredError(s, predicted, noise);
    const rows = (x: Tensor, o = s) => o.reshape(x, [n, -1]); // [N, C H W]
    const variance = rows(s.slice(output, [0, channels, 0, 0], size));
    // Not recorded: here the mean is a constant.
    const miss = rows(s.withoutRecording().sub(predicted, noise), s.withoutRecording());
    const bound = boundTerm(s, schedule, { variance, miss, start: rows(start), timesteps });
    return { loss: s.add(mse, bound), mse, bound };
  });
}

interface BoundInputs {
  /** The model's variance channels v, [N, V]. */
  readonly variance: Tensor;
  /** Predicted minus true noise, [N, V]. */
  readonly miss: Tensor;
  readonly start: Tensor;
  readonly timesteps: Int32Array;
}

/** Mean over images and values of L_t, or of L_0 where t = 0, in bits. -> [] */
function boundTerm(s: TensorOps, schedule: DiffusionSchedule, inputs: BoundInputs): Tensor {
  const { timesteps, start, miss } = inputs;
  const column = (entry: (t: number) => number) =>
    s.tensor(Float32Array.from(timesteps, entry), [timesteps.length, 1]);
  const minLog = column((t) => schedule.posteriorLogVarianceClipped[t]!);
  const range = column(
    (t) => Math.log(schedule.betas[t]!) - schedule.posteriorLogVarianceClipped[t]!,
  );
  // log variance = f log beta + (1 - f) log posterior, f = (v + 1) / 2 (equation 15).
  const fraction = s.mul(s.add(inputs.variance, s.scalar(1)), s.scalar(0.5));
  const above = s.mul(fraction, range); // log variance over that of the posterior
  const logVariance = s.add(minLog, above);
  // The true mean minus the model's: both weigh x_t alike and x_0 by coefficient 1 (Ho et al. 2020,
  // equation 7), and the model's x_0 is too small by sqrt(1/a - 1) times the noise's miss (equation 4).
  // At t = 0 the coefficient is 1 and the true mean is x_0 itself.
  const meanMiss = s.mul(
    miss,
    column((t) => schedule.posteriorMeanCoef1[t]! * Math.sqrt(1 / schedule.alphasCumprod[t]! - 1)),
  );

  const last = indicesWhere(timesteps, (t) => t === 0);
  const others = indicesWhere(timesteps, (t) => t !== 0);
  const pick = (x: Tensor, indices: Int32Array) =>
    indices.length === timesteps.length ? x : s.gatherRows(x, s.indices(indices, [indices.length]));
  const sums: Tensor[] = [];
  if (others.length > 0) {
    const [a, b, c] = [above, logVariance, meanMiss].map((x) => pick(x, others));
    sums.push(s.sum(klDivergence(s, a!, b!, c!)));
  }
  if (last.length > 0) {
    const [a, b, c] = [start, logVariance, meanMiss].map((x) => pick(x, last));
    sums.push(s.sum(decoderLoss(s, a!, b!, c!)));
  }
  const total = sums.reduce((a, b) => s.add(a, b));
  const values = start.shape[0]! * start.shape[1]!;
  return s.mul(total, s.scalar(1 / (values * Math.LN2)));
}

function indicesWhere(values: Int32Array, holds: (value: number) => boolean): Int32Array {
  return Int32Array.from([...values.keys()].filter((i) => holds(values[i]!)));
}

/**
 * KL divergence of the model's normal distribution from the posterior's, per value, in nats. With
 * the log variances p and q = p - above: (above - 1 + exp(-above) + miss^2 exp(-p)) / 2.
 */
function klDivergence(s: TensorOps, above: Tensor, logVariance: Tensor, meanMiss: Tensor): Tensor {
  const shapes = s.sub(s.add(above, s.exp(s.neg(above))), s.scalar(1));
  const distance = s.mul(s.square(meanMiss), s.exp(s.neg(logVariance)));
  return s.mul(s.add(shapes, distance), s.scalar(0.5));
}

/** Half the distance of two grey values: 2 / 255 lie between neighbours in [-1, 1]. */
const HALF_STEP = 1 / 255;
/** Black and white stand for all that is darker or lighter; images are -1 to 1 up to rounding. */
const EDGE = 0.999;
/** Keeps the logarithm finite where a probability underflows. */
const LEAST = 1e-12;

/**
 * Negative log likelihood of the grey values under the model's last step, per value, in nats: the
 * normal distribution integrated over one grey value, to infinity at black and white (Ho et al. 2020,
 * equation 13). Every probability is taken from the lower tail, mirrored where it must be: in the
 * upper one float32 would subtract 1 from 1.
 *
 * @param meanMiss x_0 minus the model's mean; not recorded
 */
function decoderLoss(s: TensorOps, start: Tensor, logVariance: Tensor, meanMiss: Tensor): Tensor {
  const white = s.greater(start, s.scalar(EDGE));
  const inside = s.sub(s.greater(start, s.scalar(-EDGE)), white);
  const atEdge = s.mul(meanMiss, s.sub(s.scalar(1), s.mul(white, s.scalar(2))));
  const notInside = s.sub(s.scalar(1), inside);
  const centre = s.sub(s.mul(notInside, atEdge), s.mul(inside, s.abs(meanMiss)));
  const inverse = s.exp(s.mul(logVariance, s.scalar(-0.5))); // 1 / deviation
  const below = (edge: number) =>
    normalProbability(s, s.mul(s.add(centre, s.scalar(edge)), inverse));
  const probability = s.sub(below(HALF_STEP), s.mul(inside, below(-HALF_STEP)));
  return s.neg(s.log(s.maximum(probability, s.scalar(LEAST))));
}

/**
 * Distribution function of the standard normal distribution by the approximation that GELU is known
 * for, (1 + tanh(u)) / 2 = sigmoid(2u) with u = sqrt(2/pi) (z + 0.044715 z^3); off by less than 2e-4.
 */
function normalProbability(s: TensorOps, z: Tensor): Tensor {
  const cubic = s.mul(s.mul(s.square(z), z), s.scalar(0.044715));
  return s.sigmoid(s.mul(s.add(z, cubic), s.scalar(2 * Math.sqrt(2 / Math.PI))));
}
