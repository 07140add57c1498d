import { describe, expect, it } from 'vitest';
import { BatchSource } from '../src/batch.ts';
import type { Dataset } from '../src/dataset.ts';
import { initialWeights } from '../src/initial-weights.ts';
import { DEFAULT_SETTINGS, DEMO_CONFIG, learningRateAt } from '../src/settings.ts';

/** 100 images of 2 x 2 that tell their number, left darker than right. */
const dataset: Dataset = {
  count: 100,
  size: 2,
  images: Uint8Array.from({ length: 400 }, (_, i) => (i >> 2) + 100 * (i % 2)),
  labels: Uint8Array.from({ length: 100 }, (_, i) => i % 10),
  digest: '',
};
const source = (seed = 0) => new BatchSource(dataset, { ...DEFAULT_SETTINGS, seed, batch: 30 });

/** Number of an image in a batch, and whether it is mirrored. */
function recognize(start: Float32Array, i: number) {
  const bytes = [0, 1, 2, 3].map((j) => Math.round((start[4 * i + j]! + 1) * 127.5));
  expect(bytes[2]).toBe(bytes[0]);
  expect(bytes[3]).toBe(bytes[1]);
  const mirrored = bytes[0]! > bytes[1]!;
  return { image: Math.min(...bytes), mirrored };
}

describe('the batches', () => {
  it('show every image once in an epoch, each epoch in another order', () => {
    const batches = source();
    const seen = Array.from({ length: 20 }, (_, step) => batches.at(step + 1)).flatMap(
      ({ start }) => Array.from({ length: 30 }, (_, i) => recognize(start, i).image),
    );
    const numbers = [...Array(100).keys()];
    const epochs = [0, 1, 2, 3, 4, 5].map((epoch) => seen.slice(100 * epoch, 100 * (epoch + 1)));
    for (const epoch of epochs) {
      expect([...epoch].sort((a, b) => a - b)).toEqual(numbers);
      expect(epoch).not.toEqual(numbers);
    }
    expect(epochs[0]).not.toEqual(epochs[1]);
  });

  it('depend on the number of the step alone, and on the seed', () => {
    const walked = source();
    for (let step = 1; step < 9; step++) walked.at(step);
    expect(source().at(9)).toEqual(walked.at(9));
    expect(source(1).at(9)).not.toEqual(walked.at(9));
  });

  it('mirror half of the images but no shoe, drop a tenth of the labels, reach every timestep', () => {
    const batches = source();
    let [mirrored, mirrorable, dropped, first, last] = [0, 0, 0, 1000, 0];
    for (let step = 1; step <= 200; step++) {
      const { start, labels, timesteps } = batches.at(step);
      for (let i = 0; i < 30; i++) {
        const found = recognize(start, i);
        const shoe = [5, 7, 9].includes(found.image % 10);
        if (shoe) expect(found.mirrored).toBe(false);
        else {
          mirrorable++;
          mirrored += Number(found.mirrored);
        }
        if (labels[i] === 10) dropped++;
        else expect(labels[i]).toBe(found.image % 10);
        first = Math.min(first, timesteps[i]!);
        last = Math.max(last, timesteps[i]!);
      }
    }
    // Five standard deviations of 4200 and 6000 draws.
    expect(Math.abs(mirrored / mirrorable - 0.5)).toBeLessThan(0.04);
    expect(Math.abs(dropped / 6000 - 0.1)).toBeLessThan(0.02);
    expect(first).toBeLessThan(3);
    expect(last).toBeGreaterThan(996);
    expect(last).toBeLessThan(1000);
  });
});

describe('the learning rate', () => {
  const settings = {
    ...DEFAULT_SETTINGS,
    steps: 1000,
    warmup: 100,
    learningRate: 2,
    finalRate: 0.1,
  };

  it('grows evenly, falls by half a cosine and ends where it should', () => {
    const at = (step: number) => learningRateAt(settings, step);
    expect(at(1)).toBeCloseTo(0.02);
    expect(at(50)).toBeCloseTo(1);
    expect(at(100)).toBeCloseTo(2);
    expect(at(550)).toBeCloseTo(2 * 0.55); // half-way: the mean of both ends
    expect(at(1000)).toBeCloseTo(0.2);
    for (let step = 101; step <= 1000; step++) expect(at(step)).toBeLessThan(at(step - 1));
  });

  it('needs no warm-up', () => {
    expect(learningRateAt({ ...settings, warmup: 0 }, 1)).toBeCloseTo(2, 4);
  });
});

describe('the weights at the start', () => {
  const weights = initialWeights(DEMO_CONFIG, 3);
  const deviation = (values: Float32Array) =>
    Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);

  it('have zero biases, modulations and last layer', () => {
    for (const [name, values] of weights) {
      const zero = /bias$|adaLN_modulation|final_layer/.test(name);
      expect(deviation(values) === 0, name).toBe(zero);
    }
  });

  it('have the deviations of Xavier and of the embeddings', () => {
    // Uniform on +-a has deviation a / sqrt(3), so Xavier's is sqrt(2 / (in + out)). The smallest of
    // these has 2112 elements: 6 % are four standard deviations of its measured deviation.
    const expected = {
      'blocks.2.attn.qkv.weight': Math.sqrt(2 / (4 * 192)),
      'blocks.0.mlp.fc1.weight': Math.sqrt(2 / (5 * 192)),
      'x_embedder.proj.weight': Math.sqrt(2 / (16 + 192)),
      'y_embedder.embedding_table.weight': 0.02,
      't_embedder.mlp.0.weight': 0.02,
    };
    for (const [name, value] of Object.entries(expected)) {
      expect(Math.abs(deviation(weights.get(name)!) / value - 1), name).toBeLessThan(0.06);
    }
  });
});
