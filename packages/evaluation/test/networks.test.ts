import { readFileSync } from 'node:fs';
import { createTfjsWasmBackend } from '@vq4dit/backend-tfjs';
import { memorySource, openSafetensors } from '@vq4dit/checkpoint';
import { ArgumentError, ModelError, TensorOps } from '@vq4dit/core';
import { demoModel } from '@vq4dit/demo-model';
import { describe, expect, it } from 'vitest';
import { loadDemoNetwork, loadInception } from '../src/index.ts';
import { openGolden } from './support/goldens.ts';

const ops = new TensorOps(await createTfjsWasmBackend());

/** Largest difference, relative to the largest value. */
function difference(got: Float32Array, want: Float32Array): number {
  expect(got.length).toBe(want.length);
  const size = want.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  return got.reduce((worst, value, i) => Math.max(worst, Math.abs(value - want[i]!)), 0) / size;
}

describe('feature networks', () => {
  it('give the features of the demo model that PyTorch gave', async () => {
    const source = await openSafetensors(
      memorySource(readFileSync(demoModel.features), 'features.safetensors'),
    );
    const golden = await openGolden('features.golden.safetensors');
    const { data } = await golden.read('images');
    using network = await loadDemoNetwork(ops, source);
    const images = { count: 16, height: 28, width: 28, channels: 1, values: data };
    const live = ops.memory().liveTensors;
    const got = await network.run(ops, images);
    expect(ops.memory().liveTensors).toBe(live);
    // Five layers of float32 sums of up to 576 terms: measured 4e-7.
    expect(difference(got.pooled, await golden.readFloat32('features'))).toBeLessThan(3e-6);
    expect(difference(got.spatial, await golden.readFloat32('spatial'))).toBeLessThan(3e-6);
    expect(difference(got.logits, await golden.readFloat32('logits'))).toBeLessThan(3e-6);
    expect(got.pooled.length).toBe(16 * network.features);
    expect(got.spatial.length).toBe(16 * network.spatialFeatures);

    const wrong = { ...images, height: 14, width: 56 };
    await expect(network.run(ops, wrong)).rejects.toThrow(ArgumentError);
  });

  it('give the features of Inception-v3 that PyTorch gave', async () => {
    const source = await openGolden('inception-narrow.safetensors');
    const golden = await openGolden('inception-narrow.golden.safetensors');
    const { data } = await golden.read('images');
    using network = await loadInception(ops, source, { narrow: 16 });
    const images = { count: 2, height: 20, width: 24, channels: 3, values: data };
    const got = await network.run(ops, images);
    // Some twenty layers in float32, with normalizations folded here and not there.
    expect(difference(got.pooled, await golden.readFloat32('pooled'))).toBeLessThan(1e-5);
    expect(difference(got.spatial, await golden.readFloat32('spatial'))).toBeLessThan(1e-5);
    expect(difference(got.logits, await golden.readFloat32('logits'))).toBeLessThan(1e-5);
  });

  it('refuse a file that is another network', async () => {
    const source = await openGolden('inception-narrow.safetensors');
    await expect(loadInception(ops, source)).rejects.toThrow(ModelError);
    await expect(loadDemoNetwork(ops, source)).rejects.toThrow('there is no tensor conv1.weight');
  });
});
