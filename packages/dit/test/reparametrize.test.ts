import { createReferenceBackend } from '@vq4dit/backend-reference';
import { type Backend, collectRanges, TensorOps } from '@vq4dit/core';
import { describe, expect, it } from 'vitest';
import {
  DiTWeights,
  ditBlockStack,
  ditForward,
  normalizedLayers,
  reparametrizeBlock,
  zeroDataSource,
} from '../src/index.ts';
import { randomSource, SMALL } from './support/random-model.ts';

const ops = new TensorOps(createReferenceBackend() as Backend);

async function output(source: ReturnType<typeof randomSource>): Promise<Float32Array> {
  using model = await DiTWeights.load(ops, SMALL, source);
  const pixels = Float32Array.from({ length: 32 }, (_, i) => Math.sin(i));
  using x = ops.tensor(pixels, [2, 1, 4, 4]);
  using out = ditForward(ops, model, x, [500, 3], [0, 3]);
  return await ops.read(out);
}

describe('reparametrizeBlock', () => {
  it('evens out the ranges of normalized channels and leaves the model what it was', async () => {
    const original = randomSource(SMALL);
    const job = { trajectories: 1, layers: new Set(normalizedLayers(0).layers) };
    const range = async (source: typeof original) => {
      using model = await DiTWeights.load(ops, SMALL, source);
      return await collectRanges(ops, {
        ...job,
        stack: ditBlockStack(model),
        source: zeroDataSource(model, { seed: 1, steps: 4, batch: 2, cfgScale: 1, nullShare: 0.1 }),
      });
    };
    const ranges = await range(original);
    expect([...ranges.keys()]).toEqual(['blocks.0.attn.qkv', 'blocks.0.mlp.fc1']);

    const changed = await reparametrizeBlock(SMALL, 0, original, ranges);
    expect([...changed.keys()].sort()).toEqual(
      [...ranges.keys(), normalizedLayers(0).modulation].sort(),
    );
    const change: Record<string, Float32Array> = {};
    for (const [name, { weight, bias }] of changed) {
      change[`${name}.weight`] = weight.data;
      change[`${name}.bias`] = bias;
    }
    const moved = randomSource(SMALL, { change });
    const [expected, found] = [await output(original), await output(moved)];
    const size = Math.max(...expected.map(Math.abs));
    // Changed weights are rounded to float32; factors of up to 20 between channels magnify that.
    for (const [i, value] of found.entries()) {
      expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-5 * size);
    }

    const spread = ({ low, high }: { low: Float32Array; high: Float32Array }) => {
      const widths = [...high].map((value, j) => value - low[j]!);
      return Math.max(...widths) / Math.min(...widths);
    };
    for (const [name, after] of await range(moved)) {
      expect(spread(ranges.get(name)!)).toBeGreaterThan(1.2);
      expect(spread(after)).toBeLessThan(1.0001);
    }
  });

  it('changes nothing where no range is given', async () => {
    expect((await reparametrizeBlock(SMALL, 0, randomSource(SMALL), new Map())).size).toBe(0);
  });
});
