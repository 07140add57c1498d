import { createReferenceBackend } from '@vq4dit/backend-reference';
import { RandomStream, type Tensor, TensorOps } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attendSpatially } from '../src/attention.ts';
import { convolve } from '../src/convolution.ts';
import { FeatureMap } from '../src/feature-map.ts';
import { applyAffine, groupNorm } from '../src/group-norm.ts';
import { ATTENTION, ATTENTION_PARTS } from '../src/layers.ts';
import { patchIndices, patchWindow } from '../src/patches.ts';
import type { ConvolutionWeights } from '../src/weights.ts';
import {
  type NaiveMap,
  naiveAttention,
  naiveConvolution,
  naiveDouble,
  naiveGroupNorm,
  naiveLinear,
  naiveSilu,
} from './support/naive.ts';

const ops = new TensorOps(createReferenceBackend());

const normals = (size: number, ...name: (string | number)[]) =>
  new RandomStream(1, ...name).fillNormal(new Float32Array(size));

/** A map cut into bands of the given heights, and the same in one piece. */
function randomMap(s: TensorOps, heights: readonly number[], width: number, channels: number) {
  const height = heights.reduce((a, b) => a + b);
  const values = normals(height * width * channels, 'map', height, width, channels);
  const map = new FeatureMap(height, width, channels);
  let at = 0;
  for (const rows of heights) {
    const size = rows * width * channels;
    map.append(s.tensor(values.slice(at, at + size), [rows * width, channels]));
    at += size;
  }
  return { map, naive: { height, width, values: Float64Array.from(values) } as NaiveMap };
}

function convolution(s: TensorOps, kind: 'conv1' | 'conv3', inputs: number, outputs: number) {
  const taps = kind === 'conv3' ? 9 : 1;
  const kernel = normals(outputs * inputs * taps, kind, inputs, outputs);
  const bias = normals(outputs, 'bias');
  const last = new Float32Array(kernel.length);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      for (let tap = 0; tap < taps; tap++) {
        last[(o * taps + tap) * inputs + i] = kernel[(o * inputs + i) * taps + tap]!;
      }
    }
  }
  const layer: ConvolutionWeights = {
    ...{ kind, inputs, outputs },
    weight: s.tensor(last, [outputs, taps * inputs]),
    bias: s.tensor(bias, [outputs]),
  };
  return { layer, kernel, bias };
}

async function contents(s: TensorOps, map: FeatureMap): Promise<number[]> {
  return s.scope(async (inner) => [...(await inner.read(map.rows(inner, 0, map.height)))]);
}

function expectNear(got: readonly number[], wanted: Float64Array, scale: number): void {
  expect(got.length).toBe(wanted.length);
  const worst = got.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i]!)), 0);
  expect(got.every(Number.isFinite)).toBe(true);
  // The backend sums in float64 and rounds its results to float32, some of them one after the other.
  expect(worst).toBeLessThan(2e-6 * scale);
}

const heights = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 });
const channels = fc.integer({ min: 1, max: 5 });

describe('a convolution', () => {
  it('is the definition, whatever bands its input has and its output gets', async () => {
    const cases = fc.record({
      heights,
      channels,
      width: fc.integer({ min: 1, max: 6 }),
      outputs: fc.integer({ min: 1, max: 4 }),
      doubled: fc.boolean(),
      patchBytes: fc.constantFrom(1, 500, 2000, 1 << 20),
      free: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ heights, width, channels, outputs, ...options }) => {
        await ops.scope(async (s) => {
          const { map, naive } = randomMap(s, heights, width, channels);
          const { layer, kernel, bias } = convolution(s, 'conv3', channels, outputs);
          const wanted = naiveConvolution(
            options.doubled ? naiveDouble(naive) : naive,
            kernel,
            bias,
          );
          const out = await convolve(s, map, layer, options);
          expect([out.height, out.width, out.channels]).toEqual([
            ...[wanted.height, wanted.width, outputs],
          ]);
          expectNear(await contents(s, out), wanted.values, 30);
          expect(map.tensors().length).toBe(options.free ? 0 : heights.length);
        });
      }),
      { numRuns: 60 },
    );
    expect(ops.memory().liveTensors).toBe(0);
  });

  it('normalizes and activates its input before the zeros are put around it', async () => {
    await ops.scope(async (s) => {
      const { map, naive } = randomMap(s, [2, 3], 4, 6);
      const weight = normals(6, 'weight');
      const bias = normals(6, 'shift');
      const norm = await groupNorm(s, map, 2, { weight, bias });
      const { layer, ...own } = convolution(s, 'conv3', 6, 2);
      const out = await convolve(s, map, layer, { norm, patchBytes: 1 });
      const active = naiveSilu(naiveGroupNorm(naive, 2, weight, bias));
      expectNear(await contents(s, out), naiveConvolution(active, own.kernel, own.bias).values, 30);
    });
  });

  it.each([true, false])('adds a residual and frees it; through a shortcut: %s', async (short) => {
    await ops.scope(async (s) => {
      const { map, naive } = randomMap(s, [1, 3, 1], 3, 4);
      const { map: residual, naive: rest } = randomMap(s, [3, 2], 3, short ? 2 : 5);
      const { layer, ...own } = convolution(s, 'conv3', 4, 5);
      const { layer: shortcut, kernel, bias } = convolution(s, 'conv1', 2, 5);
      const options = short ? { shortcut } : {};
      const out = await convolve(s, map, layer, { residual, patchBytes: 500, ...options });
      const added = short ? naiveLinear(rest.values, kernel, bias) : rest.values;
      const wanted = naiveConvolution(naive, own.kernel, own.bias).values;
      expectNear(
        await contents(s, out),
        wanted.map((value, i) => value + added[i]!),
        30,
      );
      expect(residual.tensors()).toEqual([]);
    });
  });

  it('of 1 x 1 is a matrix product', async () => {
    await ops.scope(async (s) => {
      const { map, naive } = randomMap(s, [2, 1, 2], 3, 4);
      const { layer, kernel, bias } = convolution(s, 'conv1', 4, 3);
      const out = await convolve(s, map, layer, { patchBytes: 100, free: true });
      expectNear(await contents(s, out), naiveLinear(naive.values, kernel, bias), 10);
      expect(map.tensors()).toEqual([]);
    });
  });
});

describe('patches', () => {
  it('name every pixel of the window that they touch, and no other', () => {
    const cases = fc.record({
      height: fc.integer({ min: 1, max: 9 }),
      width: fc.integer({ min: 1, max: 5 }),
      doubled: fc.boolean(),
      from: fc.nat(20),
      rows: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(cases, ({ from, rows, ...grid }) => {
        const outputs = grid.height * (grid.doubled ? 2 : 1);
        const begin = from % outputs;
        const end = Math.min(outputs, begin + rows);
        const window = patchWindow(grid, begin, end);
        const indices = patchIndices(grid, window, begin, end);
        const zeros = window.rows * grid.width;
        const used = new Set(indices);
        expect(window.first).toBeGreaterThanOrEqual(0);
        expect(window.first + window.rows).toBeLessThanOrEqual(grid.height);
        for (let pixel = 0; pixel < zeros; pixel++) expect(used.has(pixel)).toBe(true);
        expect([...used].every((index) => index >= 0 && index <= zeros)).toBe(true);
      }),
    );
  });
});

describe('group normalization', () => {
  it('is the definition, whatever the bands', async () => {
    const cases = fc.record({
      heights,
      width: fc.integer({ min: 1, max: 5 }),
      groups: fc.integer({ min: 1, max: 3 }),
      size: fc.integer({ min: 1, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ heights, width, groups, size }) => {
        await ops.scope(async (s) => {
          const { map, naive } = randomMap(s, heights, width, groups * size);
          // A group of one pixel has no deviation, and what is left is noise of rounding.
          fc.pre(naive.values.length / groups > 2);
          const weight = normals(groups * size, 'weight');
          const bias = normals(groups * size, 'bias');
          const affine = await groupNorm(s, map, groups, { weight, bias });
          const got = await s.read(applyAffine(s, map.rows(s, 0, map.height), affine));
          const wanted = naiveGroupNorm(naive, groups, weight, bias).values;
          expectNear([...got], wanted, 50);
        });
      }),
    );
  });

  it('keeps its digits where the mean is a thousand deviations', async () => {
    await ops.scope(async (s) => {
      const [height, width] = [16, 16];
      const values = normals(height * width * 4, 'far').map((value) => 1000 + value);
      const map = new FeatureMap(height, width, 4);
      const half = values.length / 2;
      for (const at of [0, half]) {
        map.append(s.tensor(values.slice(at, at + half), [(height * width) / 2, 4]));
      }
      const [weight, bias] = [new Float32Array(4).fill(1), new Float32Array(4)];
      const affine = await groupNorm(s, map, 2, { weight, bias });
      const wanted = naiveGroupNorm(
        { height, width, values: Float64Array.from(values) },
        ...([2, weight, bias] as const),
      );
      const scale = await s.read(affine.scale);
      const naiveScale = (wanted.values[0]! - wanted.values[4]!) / (values[0]! - values[4]!);
      // Sums of squares of 1000 would have lost all but three digits of it.
      expect(Math.abs(scale[0]! / naiveScale - 1)).toBeLessThan(1e-5);
    });
  });
});

describe('attention', () => {
  it('is the definition, added to its input', async () => {
    await ops.scope(async (s) => {
      const channels = 6;
      const { map, naive } = randomMap(s, [1, 2, 1], 3, channels);
      const parts = new Map<string, ReturnType<typeof convolution>>();
      for (const [i, part] of ATTENTION_PARTS.entries()) {
        const made = convolution(s, 'conv1', channels, channels);
        const kernel = normals(channels ** 2, 'part', i);
        const weight = s.tensor(kernel, [channels, channels]);
        parts.set(`${ATTENTION}.${part}`, { ...made, kernel, layer: { ...made.layer, weight } });
      }
      const ones: Tensor = s.fill([channels], 1);
      const norm = { scale: ones, shift: s.fill([channels], 0.5) };
      const weights = {
        convolutions: new Map([...parts].map(([path, { layer }]) => [path, layer])),
        norms: new Map(),
        config: undefined as never,
      };
      const out = await attendSpatially(s, weights, map, norm, async () => {});
      const shifted = naive.values.map((value) => value + 0.5);
      const part = (i: number, x: Float64Array) => {
        const { kernel, bias } = parts.get(`${ATTENTION}.${ATTENTION_PARTS[i]}`)!;
        return naiveLinear(x, kernel, bias);
      };
      const [q, k, v] = [0, 1, 2].map((i) => part(i, shifted));
      const wanted = part(3, naiveAttention(q!, k!, v!, channels));
      expectNear(
        await contents(s, out),
        wanted.map((value, i) => value + naive.values[i]!),
        50,
      );
      expect(map.tensors()).toEqual([]);
    });
  });
});
