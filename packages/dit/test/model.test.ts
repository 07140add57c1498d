import { createReferenceBackend } from '@vq4dit/backend-reference';
import {
  ArgumentError,
  type Backend,
  ModelError,
  NonFiniteError,
  packCodes,
  RandomStream,
  replaceWeights,
  ShapeError,
  TensorOps,
} from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyGuidance,
  type DiTConfig,
  type DiTModel,
  DiTWeights,
  ditForward,
  expectedTensors,
  guidedChannels,
  hasNullLabel,
  outChannels,
  positionEmbedding,
  type TensorSource,
  withNullLabels,
} from '../src/index.ts';
import { expectClose } from './support/compare.ts';
import { randomSource, SMALL, smallConfigs } from './support/random-model.ts';
import { checkpoint, config as tiny } from './support/tiny.ts';

const ops = new TensorOps(createReferenceBackend() as Backend);

function noise(config: DiTConfig, n: number) {
  const shape = [n, config.inChannels, config.inputSize, config.inputSize];
  const size = shape.reduce((a, b) => a * b);
  return ops.tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(i + 1)),
    shape,
  );
}

describe('a model of any config', () => {
  it('gives noise and variance for each image, and frees all else', async () => {
    await fc.assert(
      fc.asyncProperty(smallConfigs, fc.integer({ min: 1, max: 2 }), async (config, n) => {
        const none = ops.memory().liveTensors;
        {
          using model = await DiTWeights.load(ops, config, randomSource(config));
          using x = noise(config, n);
          using out = ditForward(ops, model, x, Array(n).fill(500), Array(n).fill(0));
          expect(out.shape).toEqual([n, outChannels(config), config.inputSize, config.inputSize]);
          expect((await ops.read(out)).every(Number.isFinite)).toBe(true);
          expect(ops.memory().liveTensors).toBe(none + model.names().length + 2);
        }
        expect(ops.memory().liveTensors).toBe(none);
      }),
      { numRuns: 25 },
    );
  });

  it('is not changed by guidance scale 1, and guides only the image channels', async () => {
    const guidable = smallConfigs.filter(hasNullLabel);
    await fc.assert(
      fc.asyncProperty(guidable, async (config) => {
        await ops.scope(async (s) => {
          using model = await DiTWeights.load(s, config, randomSource(config));
          const x = noise(config, 1);
          const batch = s.concat([x, x], 0);
          const out = ditForward(s, model, batch, [7, 7], withNullLabels(config, [0]));
          const plain = await s.read(s.slice(out, [0, 0, 0, 0], [1, ...out.shape.slice(1)]));
          const one = await s.read(applyGuidance(s, config, out, 1));
          // null + 1 (label - null) rounds twice.
          expectClose('scale 1', one, plain, 1e-6);
          const four = await s.read(applyGuidance(s, config, out, 4));
          const from = guidedChannels(config) * config.inputSize ** 2;
          expect(guidedChannels(config)).toBe(Math.min(3, config.inChannels));
          expect(four.subarray(from)).toEqual(plain.subarray(from));
          expect(four.subarray(0, from)).not.toEqual(plain.subarray(0, from));
          x.dispose();
        });
      }),
      { numRuns: 15 },
    );
  });

  it('computes each image as if it were alone', async () => {
    await ops.scope(async (s) => {
      using model = await DiTWeights.load(s, SMALL, randomSource(SMALL));
      using x = noise(SMALL, 3);
      const all = await s.read(ditForward(s, model, x, [1, 500, 999], [0, 1, 3]));
      const second = s.slice(x, [1, 0, 0, 0], [1, ...x.shape.slice(1)]);
      const alone = await s.read(ditForward(s, model, second, [500], [1]));
      expect(alone).toEqual(all.slice(alone.length, 2 * alone.length));
    });
  });

  it('reads every weight through the lookup', async () => {
    await ops.scope(async (s) => {
      using model = await DiTWeights.load(s, SMALL, randomSource(SMALL));
      using x = noise(SMALL, 1);
      const run = (changed: DiTWeights['lookup']) =>
        s.read(ditForward(s, { config: SMALL, lookup: changed }, x, [500], [1]));
      const before = await run(model.lookup);
      for (const name of model.names()) {
        const other = s.add(model.lookup(name), s.scalar(0.5));
        const after = await run(replaceWeights(model.lookup, new Map([[name, other]])));
        expect(after, name).not.toEqual(before);
      }
    });
  });
});

describe('where the matrices are kept', () => {
  const forward = async (model: DiTModel) => {
    using x = noise(SMALL, 1);
    return ops.scope((s) => s.read(ditForward(s, model, x, [500], [1])));
  };

  it('makes no difference to the output: device or host', async () => {
    const before = ops.memory();
    {
      using plain = await DiTWeights.load(ops, SMALL, randomSource(SMALL));
      const onDevice = ops.memory().liveBytes;
      const expected = await forward(plain);
      using hosted = await DiTWeights.load(ops, SMALL, randomSource(SMALL), { residence: 'host' });
      // 12 D^2 with an MLP twice as wide as D, and six D^2 of the modulation, in each block.
      const matrices = SMALL.depth * (4 + 2 * SMALL.mlpRatio + 6) * SMALL.hiddenSize ** 2;
      const both = ops.memory().liveBytes - before.liveBytes;
      expect(both).toBe(2 * (onDevice - before.liveBytes) - 4 * matrices);
      expect(await forward(hosted)).toEqual(expected);
      expect(() => hosted.lookup('blocks.0.mlp.fc1.weight')).toThrow('kept on the host');
    }
    expect(ops.memory()).toEqual(before);
  });

  it('makes no difference to the output: decoded or packed', async () => {
    const before = ops.memory();
    const [k, d] = [8, 2];
    const quantized = (name: string) => {
      const [rows, columns] = expectedTensors(SMALL).get(name) as [number, number];
      const stream = new RandomStream(1, name);
      const codebook = stream.fillNormal(new Float32Array(k * d)).map((value) => 0.1 * value);
      const codes = Uint16Array.from({ length: (rows * columns) / d }, () => stream.integer(k));
      const values = new Float32Array(rows * columns);
      codes.forEach((code, i) => {
        values.set(codebook.subarray(code * d, (code + 1) * d), i * d);
      });
      return {
        values,
        parts: { name, rows, columns, groups: 1, k, d, codes: packCodes(codes, 3), codebook },
      };
    };
    const isMatrix = (name: string) => /^blocks\.\d+\..*\.weight$/.test(name);
    const plain = randomSource(SMALL);
    const source: TensorSource = {
      ...plain,
      readFloat32: async (name) =>
        isMatrix(name) ? quantized(name).values : plain.readFloat32(name),
      readPacked: async (name) => (isMatrix(name) ? quantized(name).parts : undefined),
    };
    {
      using decoded = await DiTWeights.load(ops, SMALL, source);
      using packed = await DiTWeights.load(ops, SMALL, source, { packed: true });
      expect(await forward(packed)).toEqual(await forward(decoded));
      const name = 'blocks.1.attn.qkv.weight';
      expect(() => packed.lookup(name)).toThrow('kept packed');
      // A replaced matrix stands in for a packed one too.
      using other = ops.tensor(quantized(name).values.fill(0), [24, 8]);
      const lookup = replaceWeights(packed.lookup, new Map([[name, other]]));
      expect(await forward({ config: SMALL, lookup })).not.toEqual(await forward(packed));
    }
    expect(ops.memory()).toEqual(before);
  });
});

describe('bad input', () => {
  it('is refused before anything is computed', async () => {
    using model = await DiTWeights.load(ops, SMALL, randomSource(SMALL));
    using x = noise(SMALL, 1);
    using wide = ops.fill([1, 1, 8, 8], 0);
    expect(() => ditForward(ops, model, wide, [0], [0])).toThrow(ShapeError);
    expect(() => ditForward(ops, model, x, [0, 1], [0])).toThrow(ShapeError);
    expect(() => ditForward(ops, model, x, [0], [])).toThrow(ShapeError);
    for (const label of [-1, 4, 0.5, Number.NaN]) {
      expect(() => ditForward(ops, model, x, [0], [label])).toThrow(ArgumentError);
    }
    expect(() => ditForward(ops, model, x, [0], [4])).toThrow(
      "Label 4 does not exist: the model's classes are 0 to 2 (3 is the null label).",
    );
    expect(() => model.lookup('blocks.7.attn.qkv.weight')).toThrow(ModelError);
  });

  it('in a checkpoint is named, and what was uploaded is freed', async () => {
    const before = ops.memory().liveTensors;
    const load = (source: ReturnType<typeof randomSource>) => DiTWeights.load(ops, SMALL, source);
    const bias = 'final_layer.linear.bias';
    await expect(load(randomSource(SMALL, { without: [bias] }))).rejects.toThrow(
      `random: tensor ${bias} is missing`,
    );
    const nan = Float32Array.of(0, 0, Number.NaN, 0, 0, 0, 0, 0);
    const holdsNan = load(randomSource(SMALL, { change: { [bias]: nan } }));
    await expect(holdsNan).rejects.toThrow(NonFiniteError);
    await expect(holdsNan).rejects.toThrow(`tensor ${bias} holds NaN at element 2`);
    const short = load(randomSource(SMALL, { change: { [bias]: new Float32Array(3) } }));
    await expect(short).rejects.toThrow(`tensor ${bias} holds 3 values, expected 8`);
    expect(ops.memory().liveTensors).toBe(before);
  });
});

describe('the position embedding', () => {
  it('is the one of the original checkpoints', () => {
    // PyTorch's is float64 rounded to float32, as this one is.
    expectClose('pos_embed', positionEmbedding(tiny), checkpoint.f32('pos_embed'), 1e-7);
  });

  it('is computed where a checkpoint has none', async () => {
    const source = randomSource(SMALL, { without: ['pos_embed'] });
    using model = await DiTWeights.load(ops, SMALL, source);
    expect(await ops.read(model.lookup('pos_embed'))).toEqual(positionEmbedding(SMALL));
    const odd = { ...SMALL, hiddenSize: 6, numHeads: 1 };
    const oddSource = randomSource(odd, { without: ['pos_embed'] });
    await expect(DiTWeights.load(ops, odd, oddSource)).rejects.toThrow('not a multiple of 4');
  });
});
