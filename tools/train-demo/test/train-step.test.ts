import { fileURLToPath } from 'node:url';
import { createReferenceBackend } from '@vq4dit/backend-reference';
import { createTfjsWasmBackend } from '@vq4dit/backend-tfjs';
import { createWasmBackend } from '@vq4dit/backend-wasm';
import { openSafetensors, type SafetensorsFile } from '@vq4dit/checkpoint';
import { adamwStep, type Backend, TensorOps } from '@vq4dit/core';
import { type DiTConfig, expectedTensors, parseDiTConfig } from '@vq4dit/dit';
import { describe, expect, it } from 'vitest';
import { POSITIONS } from '../src/initial-weights.ts';
import { DEFAULT_SETTINGS } from '../src/settings.ts';
import { startState, Trainer } from '../src/trainer.ts';

/** Made by `benchmarks/peers/train_step.py`: PyTorch in float64. */
const GOLDEN = fileURLToPath(new URL('fixtures/train-step.golden.safetensors', import.meta.url));

const BACKENDS: readonly [string, () => Promise<Backend>][] = [
  ['reference', async () => createReferenceBackend()],
  ['tfjs-wasm', createTfjsWasmBackend],
  ['wasm', createWasmBackend],
];

async function withGolden(
  create: () => Promise<Backend>,
  body: (ops: TensorOps, golden: SafetensorsFile) => Promise<void>,
): Promise<void> {
  const golden = await openSafetensors(GOLDEN);
  const backend = await create();
  try {
    const ops = new TensorOps(backend);
    await body(ops, golden);
    expect(ops.memory().liveTensors).toBe(0);
  } finally {
    await backend.close();
    await golden.close();
  }
}

async function trainerOf(ops: TensorOps, golden: SafetensorsFile, config: DiTConfig) {
  const weights = new Map<string, Float32Array>();
  for (const name of expectedTensors(config).keys()) {
    weights.set(name, await golden.readFloat32(`weight.${name}`));
  }
  return new Trainer(ops, { ...DEFAULT_SETTINGS, config }, startState(weights));
}

const configOf = (golden: SafetensorsFile) =>
  parseDiTConfig(JSON.parse(golden.metadata.config!)).config;

const batchOf = async (golden: SafetensorsFile) => ({
  start: await golden.readFloat32('input.start'),
  noise: await golden.readFloat32('input.noise'),
  timesteps: await golden.readInt32('input.t'),
  labels: await golden.readInt32('input.y'),
});

/** Float32 against float64: 7e-7 was measured; a wrong formula is off by far more. */
const LIMIT = 1e-5;

/** The largest difference, relative to the largest expected value. */
function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let [difference, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(actual[i]! - expected[i]!));
    size = Math.max(size, Math.abs(expected[i]!));
  }
  return difference / size;
}

describe.each(BACKENDS)('one training step on %s', (_, create) => {
  it('has the loss and the gradients that PyTorch has', () =>
    withGolden(create, async (ops, golden) => {
      using trainer = await trainerOf(ops, golden, configOf(golden));
      const { losses, gradients } = trainer.gradients(await batchOf(golden));
      const expected = await golden.readFloat32('losses');
      for (const [i, loss] of losses.entries()) {
        expect(Math.abs((await ops.readScalar(loss)) / expected[i]! - 1)).toBeLessThan(LIMIT);
      }
      const names = [...expectedTensors(configOf(golden)).keys()].filter((n) => n !== POSITIONS);
      expect([...gradients.keys()]).toEqual(names);
      for (const [name, gradient] of gradients) {
        const error = relativeError(
          await ops.read(gradient),
          await golden.readFloat32(`grad.${name}`),
        );
        expect(error, name).toBeLessThan(LIMIT);
        gradient.dispose();
      }
      for (const loss of losses) loss.dispose();
    }));

  it('updates weights as AdamW in PyTorch', () =>
    withGolden(create, async (ops, golden) => {
      let value = ops.tensor(await golden.readFloat32('adamw.start'), [40]);
      let [mean, square] = [ops.fill([40], 0), ops.fill([40], 0)];
      const constants = { learningRate: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
      for (let i = 0; i < 3; i++) {
        const grad = ops.tensor(await golden.readFloat32(`adamw.grad.${i}`), [40]);
        const next = adamwStep(ops, value, grad, mean, square, {
          ...constants,
          weightDecay: 0.1,
          step: i + 1,
        });
        for (const old of [value, mean, square, grad]) old.dispose();
        ({ value, mean, square } = next);
      }
      const error = relativeError(await ops.read(value), await golden.readFloat32('adamw.end'));
      expect(error).toBeLessThan(1e-6);
      for (const tensor of [value, mean, square]) tensor.dispose();
    }));
});
