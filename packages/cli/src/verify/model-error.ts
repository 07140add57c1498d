import type { ModelFile } from '@vq4dit/checkpoint';
import { DiTWeights } from '@vq4dit/dit';
import { type TrajectoryError, trajectoryError } from '@vq4dit/evaluation';
import type { CommandContext } from '../context.ts';

/** Most labels that are measured; models have up to 1000. */
const MAX_LABELS = 10;

/** Block-output and predicted-noise error along the original's trajectories, with a bar. */
export async function measureError(
  { ops, reporter, signal }: CommandContext,
  original: ModelFile,
  quantized: ModelFile,
  { steps, repeats, seed }: { steps: number; repeats: number; seed: number },
): Promise<TrajectoryError> {
  const device = await ops();
  using teacher = await DiTWeights.load(device, original.config, original);
  using student = await DiTWeights.load(device, quantized.config, quantized);
  const classes = Math.min(MAX_LABELS, original.config.numClasses);
  const task = reporter.task('Measuring', steps * repeats);
  try {
    return await trajectoryError(device, teacher, student, {
      labels: Array.from({ length: classes }, (_, i) => i),
      ...{ steps, repeats, seed, signal },
      onStep: (done) => task.update(done, quantized.name),
    });
  } finally {
    task.end();
  }
}
