import { meanSquaredError, RandomStream, type Tensor, type TensorOps } from '@vq4dit/core';
import { type DiTModel, ditForward, streamNoise, walkTrajectory } from '@vq4dit/dit';

/** What {@link trajectoryError} samples. */
export interface TrajectoryErrorOptions {
  /** DDPM sampling steps. */
  readonly steps: number;
  /** One image per label and repeat. */
  readonly labels: readonly number[];
  /** Fresh noise each time. */
  readonly repeats: number;
  /** Its random numbers are never those of a calibration, whatever the seed. */
  readonly seed: number | bigint;
  readonly signal?: AbortSignal;
  /** Called after each timestep with the number of timesteps done and of all repeats together. */
  readonly onStep?: (done: number, total: number) => void;
}

/** How far a model is from the floating-point one, along the latter's trajectories. */
export interface TrajectoryError {
  /** Mean over steps and blocks of the MSE of block outputs. */
  readonly block: number;
  /** Mean over steps of the MSE of the predicted noise. */
  readonly eps: number;
  /** `block` by block. */
  readonly perBlock: readonly number[];
  /** Timesteps of the original process, in order of sampling. */
  readonly timesteps: readonly number[];
  /** `eps` by timestep. */
  readonly epsPerTimestep: readonly number[];
}

/**
 * The floating-point model walks its own unguided sampling trajectories; at every step the other
 * model is given the same images and runs end to end.
 */
export async function trajectoryError(
  ops: TensorOps,
  original: DiTModel,
  quantized: DiTModel,
  options: TrajectoryErrorOptions,
): Promise<TrajectoryError> {
  const { steps, labels, repeats, seed, signal } = options;
  const { depth, inChannels } = original.config;
  const perBlock = new Array<number>(depth).fill(0);
  const epsPerTimestep = new Array<number>(steps).fill(0);
  const timesteps = new Array<number>(steps).fill(0);
  const stream = new RandomStream(seed, 'evaluation');
  const share = 1 / repeats;

  for (let repeat = 0; repeat < repeats; repeat++) {
    const noise = streamNoise(stream.derive('trajectory-error', repeat));
    const walk = walkTrajectory(ops, original, { labels, noise, steps, ...(signal && { signal }) });
    for await (const { stepIndex, timestep, x, labels: y, blockOutputs, output } of walk) {
      const errors = await ops.scope(async (s) => {
        const list: Tensor[] = [];
        const t = new Int32Array(y.length).fill(timestep);
        const own = ditForward(s, quantized, x, t, y, {
          onBlock: (i, block) => list.push(meanSquaredError(s, block, blockOutputs[i]!)),
        });
        const noiseOf = (out: Tensor) => {
          const [n, , height, width] = out.shape as [number, number, number, number];
          return s.slice(out, [0, 0, 0, 0], [n, inChannels, height, width]);
        };
        list.push(meanSquaredError(s, noiseOf(own), noiseOf(output)));
        return s.read(
          s.concat(
            list.map((scalar) => s.reshape(scalar, [1])),
            0,
          ),
        );
      });
      for (let i = 0; i < depth; i++) perBlock[i]! += (errors[i]! * share) / steps;
      epsPerTimestep[stepIndex]! += errors[depth]! * share;
      timesteps[stepIndex] = timestep;
      options.onStep?.(repeat * steps + stepIndex + 1, repeats * steps);
    }
  }
  return {
    block: mean(perBlock),
    eps: mean(epsPerTimestep),
    perBlock,
    timesteps,
    epsPerTimestep,
  };
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
