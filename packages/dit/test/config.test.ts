import { ArgumentError, ModelError, sizeOf } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DIT_PRESETS,
  ditConfigToJson,
  ditPreset,
  expectedTensors,
  inferDiTConfig,
  labelRows,
  parseDiTConfig,
  parsePartialDiTConfig,
} from '../src/index.ts';
import { SMALL, smallConfigs } from './support/random-model.ts';
import { loadJson } from './support/safetensors.ts';
import { checkpoint, config as tiny } from './support/tiny.ts';

const json = () => loadJson('dit-tiny.config.json') as Record<string, unknown>;

describe('config.json', () => {
  it('is read by the names of the original constructor', () => {
    expect(tiny).toEqual({
      inputSize: 8,
      patchSize: 2,
      inChannels: 4,
      hiddenSize: 32,
      depth: 2,
      numHeads: 4,
      mlpRatio: 4,
      classDropoutProb: 0.1,
      numClasses: 10,
      learnSigma: true,
    });
  });

  it('comes back as it was written', () => {
    fc.assert(
      fc.property(smallConfigs, (config) => {
        const names = Array.from({ length: config.numClasses }, (_, i) => `class ${i}`);
        const parsed = parseDiTConfig(JSON.parse(JSON.stringify(ditConfigToJson(config, names))));
        expect(parsed).toEqual({ config, classNames: names, otherKeys: [] });
      }),
    );
  });

  it('may hold other keys, which are told', () => {
    const parsed = parseDiTConfig({ ...json(), class_names: undefined, _class_name: 'DiT' });
    expect(parsed.otherKeys).toEqual(['_class_name']);
    expect(parsed.classNames).toBeUndefined();
  });

  it('may name a preset instead, as the arguments of a training run do', () => {
    const parsed = parsePartialDiTConfig({ model: 'DiT-B/4', image_size: 512, num_classes: 7 });
    expect(parsed.config).toEqual({ ...ditPreset('DiT-B/4', 512), numClasses: 7 });
  });

  it('needs no more than what the constructor has no default for', () => {
    const { mlp_ratio, class_dropout_prob, learn_sigma, ...rest } = json();
    expect(parseDiTConfig(rest).config).toEqual(tiny);
    const { num_heads, depth, ...less } = rest;
    expect(() => parseDiTConfig(less, 'a.json')).toThrow(
      new ModelError('a.json: depth, num_heads not given.'),
    );
  });

  it.each([
    [[], 'expected an object'],
    [{ depth: '2' }, 'depth must be a number, not "2"'],
    [{ learn_sigma: 1 }, 'learn_sigma must be true or false, not 1'],
    [{ ...json(), depth: 0 }, 'depth must be a positive integer, not 0'],
    [{ ...json(), num_heads: 2.5 }, 'num_heads must be a positive integer, not 2.5'],
    [{ ...json(), num_heads: 5 }, 'num_heads 5 does not divide hidden_size 32'],
    [{ ...json(), patch_size: 3 }, 'patch_size 3 does not divide input_size 8'],
    [{ ...json(), mlp_ratio: 0 }, 'mlp_ratio 0'],
    [{ ...json(), class_dropout_prob: 2 }, 'class_dropout_prob must be from 0 to 1, not 2'],
    [{ ...json(), class_names: ['one'] }, '1 class_names for num_classes 10'],
    [{ ...json(), class_names: [1] }, 'class_names must be a list of names'],
  ])('refuses %j', (value, message) => {
    expect(() => parseDiTConfig(value)).toThrow(ModelError);
    expect(() => parseDiTConfig(value)).toThrow(message);
  });
});

describe('presets', () => {
  it('have the sizes of the paper', () => {
    // Peebles & Xie 2022, table 1, in millions of parameters; the fixed position embedding is none.
    const millions = { 'DiT-S/2': 33, 'DiT-B/2': 130, 'DiT-L/2': 458, 'DiT-XL/2': 675 };
    expect(DIT_PRESETS).toHaveLength(12);
    for (const [name, expected] of Object.entries(millions)) {
      let count = 0;
      for (const [tensor, shape] of expectedTensors(ditPreset(name))) {
        if (tensor !== 'pos_embed') count += sizeOf(shape);
      }
      expect(Math.round(count / 1e6), name).toBe(expected);
    }
  });

  it('are told apart by their shapes', () => {
    for (const name of DIT_PRESETS) {
      for (const imageSize of [256, 512]) {
        const config = ditPreset(name, imageSize);
        expect(inferDiTConfig(expectedTensors(config)).config).toEqual(config);
      }
    }
  });

  it('are refused by wrong names and sizes', () => {
    expect(() => ditPreset('DiT-M/2')).toThrow(ArgumentError);
    expect(() => ditPreset('DiT-S/8', 224)).toThrow(ArgumentError);
    expect(() => ditPreset('DiT-S/2', -256)).toThrow(ArgumentError);
  });
});

describe('inference from shapes', () => {
  it('finds all but the heads', () => {
    fc.assert(
      fc.property(smallConfigs, (config) => {
        const { numHeads, classDropoutProb } = config;
        const known = { numHeads, classDropoutProb };
        const inferred = inferDiTConfig(expectedTensors(config), known);
        expect(inferred).toEqual({ config, extra: [] });
      }),
    );
  });

  it('takes the last label for the null label unless it is told otherwise', () => {
    const shapes = expectedTensors(SMALL);
    const rows = labelRows(SMALL);
    const infer = (known: object) => inferDiTConfig(shapes, { numHeads: 2, ...known }).config;
    expect(infer({}).numClasses).toBe(rows - 1);
    expect(infer({ classDropoutProb: 0 }).numClasses).toBe(rows);
    expect(infer({ numClasses: rows }).classDropoutProb).toBe(0);
    expect(infer({ numClasses: rows - 1 }).classDropoutProb).toBe(0.1);
  });

  it('works on a real checkpoint and reports tensors that it has no use for', () => {
    const shapes = new Map(checkpoint.names().map((name) => [name, checkpoint.shape(name)]));
    shapes.set('optimizer.state', [1]);
    const inferred = inferDiTConfig(shapes, { numHeads: 4 });
    expect(inferred).toEqual({ config: tiny, extra: ['optimizer.state'] });
  });

  it('takes the image size from the config where there is no position embedding', () => {
    const shapes = expectedTensors(SMALL);
    shapes.delete('pos_embed');
    expect(inferDiTConfig(shapes, { numHeads: 2, inputSize: 6 }).config.inputSize).toBe(6);
    expect(() => inferDiTConfig(shapes, { numHeads: 2 })).toThrow('give input_size');
  });

  const broken: [string, (shapes: Map<string, readonly number[]>) => void, string][] = [
    ['not a DiT', (s) => s.clear(), 'x.pt: tensor x_embedder.proj.weight is missing'],
    [
      'a tensor missing',
      (s) => s.delete('blocks.1.mlp.fc2.bias'),
      'x.pt: tensor blocks.1.mlp.fc2.bias is missing; a DiT of this config has it with shape [8].',
    ],
    [
      'a tensor of another shape',
      (s) => s.set('blocks.1.mlp.fc2.weight', [16, 8]),
      'x.pt: tensor blocks.1.mlp.fc2.weight has shape [16, 8], expected [8, 16].',
    ],
    [
      'a tensor of another rank',
      (s) => s.set('x_embedder.proj.weight', [8, 4]),
      'x.pt: tensor x_embedder.proj.weight has shape [8, 4], expected 4 dimensions.',
    ],
    ['no square of tokens', (s) => s.set('pos_embed', [1, 5, 8]), 'do not fill a square'],
    ['a missing block', (s) => s.delete('blocks.0.attn.qkv.weight'), 'no tensors blocks.0'],
    [
      'an output of no known size',
      (s) => s.set('final_layer.linear.weight', [7, 8]),
      'tensor final_layer.linear.weight has shape [7, 8], expected [4, 8].',
    ],
  ];
  it.each(broken)('names %s', (_, change, message) => {
    const shapes = expectedTensors(SMALL);
    change(shapes);
    expect(() => inferDiTConfig(shapes, { numHeads: 2 }, 'x.pt')).toThrow(ModelError);
    expect(() => inferDiTConfig(shapes, { numHeads: 2 }, 'x.pt')).toThrow(message);
  });

  it('asks for the heads where nothing tells them, and for a config that fits', () => {
    expect(() => inferDiTConfig(expectedTensors(SMALL))).toThrow('(--config)');
    expect(() => inferDiTConfig(expectedTensors(SMALL), { numHeads: 2, depth: 3 })).toThrow(
      'the tensors have depth 2, but the config says 3',
    );
    expect(() => inferDiTConfig(expectedTensors(SMALL), { numHeads: 3 })).toThrow(
      'num_heads 3 does not divide hidden_size 8',
    );
  });
});
