import { ArgumentError } from '@vq4dit/core';

/** Steps of the process that DiTs are trained on. */
export const TRAINING_STEPS = 1000;

/**
 * Picks `steps` of `total` timesteps, evenly spaced from the first to the last, ascending.
 *
 * The spacing (total - 1) / (steps - 1) is added up and each sum rounded with halves to even, as
 * the published samplers do: other ways to round pick other timesteps (7 of 1000: 166, not 167).
 *
 * @throws ArgumentError where `steps` is not from 1 to `total`
 */
export function respacedTimesteps(steps: number, total = TRAINING_STEPS): Int32Array {
  if (!Number.isInteger(steps) || steps < 1 || steps > total) {
    throw new ArgumentError(
      `The number of sampling steps must be from 1 to ${total}, not ${steps}.`,
    );
  }
  const stride = steps === 1 ? 1 : (total - 1) / (steps - 1);
  const timesteps = new Int32Array(steps);
  let position = 0;
  for (let i = 0; i < steps; i++) {
    timesteps[i] = roundHalfToEven(position);
    position += stride;
  }
  return timesteps;
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
