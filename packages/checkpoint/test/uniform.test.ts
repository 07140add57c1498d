import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ArgumentError,
  RandomStream,
  UniformQuantizer,
  UniformWeight,
  type UniformWeightParts,
  VqError,
} from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ArtefactJob,
  decodeArtefact,
  isUniform,
  layerSize,
  memorySource,
  openModel,
  openSafetensors,
} from '../src/index.ts';
import { readJsonObject } from '../src/model/json-file.ts';
import { assembleModel } from '../src/model/open-model.ts';
import {
  type EditableArtefact,
  editArtefact,
  randomLayer,
  temporaryFolder,
  writeTinyArtefact,
} from './support/models.ts';
import { expectSameBits, valueOrVqError } from './support/sources.ts';

const folder = await temporaryFolder();

async function layer(
  name: string,
  [rows, columns]: [number, number],
  bits: number,
  groupSize: number,
): Promise<UniformWeight> {
  const data = new RandomStream(3, name).fillNormal(new Float32Array(rows * columns));
  const quantizer = new UniformQuantizer({ bits, granularity: 'group', groupSize });
  return quantizer.quantize({ name, rows, columns, data });
}

const job = (layers: UniformWeight[], bits: number, groupSize: number): Partial<ArtefactJob> => ({
  layers: layers.map((weight) => ({ name: weight.name, load: async () => weight })),
  uniform: { granularity: 'group', groupSize },
  ...{ codewords: 2 ** bits, subvector: 1, method: 'uniform', candidates: 1 },
});

const qkv = 'blocks.0.attn.qkv';
const fc1 = 'blocks.0.mlp.fc1';
// 32 columns in groups of 12, 12 and 8; one layer with groups of its own.
const layers = [
  await layer(qkv, [96, 32], 3, 12),
  await layer(fc1, [128, 32], 3, 12),
  await layer('blocks.1.mlp.fc2', [32, 128], 3, 20),
];
const artefact = join(folder, 'artefact');
const result = await writeTinyArtefact(artefact, job(layers, 3, 12));

describe('an artefact of uniform grids', () => {
  it('gives back what was written', async () => {
    const model = await openModel(artefact);
    for (const weight of layers) {
      expect(await model.readQuantized(weight.name)).toEqual(weight);
      const name = `${weight.name}.weight`;
      expectSameBits(await model.readFloat32(name), weight.reconstruct());
      expect(await model.readPacked(name)).toBeUndefined();
    }
    expect(model.artefact).toMatchObject({
      ...{ formatVersion: 2, method: 'uniform', bits: 3, candidates: 1 },
      uniform: { granularity: 'group', groupSize: 12 },
    });
    await model.close();
  });

  it.each([2, 4, 5, 8])('of %d bits goes through the file unharmed', async (bits) => {
    const path = join(folder, `bits-${bits}`);
    const weights = [await layer(fc1, [128, 32], bits, 12)];
    const { widened } = await writeTinyArtefact(path, job(weights, bits, 12));
    expect(widened).toEqual([]);
    const model = await openModel(path);
    expect(await model.readQuantized(fc1)).toEqual(weights[0]);
    await model.close();
  });

  it('takes the bytes that are counted', async () => {
    const file = await openSafetensors(join(artefact, 'model.safetensors'));
    const stored = file.names().filter((name) => /\.weight_(codes|scales|zeros)$/.test(name));
    expect(stored.length).toBe(9);
    const bytes = stored.reduce((sum, name) => sum + file.entry(name).byteLength, 0);
    expect(result.bytes).toBe(bytes);
    expect(result.layers.reduce((sum, info) => sum + layerSize(info).bytes, 0)).toBe(bytes);
    // qkv: 96 x 32 codes of 3 bits; 96 x 3 grids with 16 bits of scale and 3 of zero point.
    const weights = layers.reduce((sum, { codes }) => sum + codes.length, 0);
    const grids = layers.reduce((sum, { scales }) => sum + scales.length, 0);
    expect(result.bitsPerWeight).toBeCloseTo(3 + (19 * grids) / weights, 12);
    await file.close();
  });

  it('is written as its format says', async () => {
    const file = await openSafetensors(join(artefact, 'model.safetensors'));
    expect(file.entry(`${qkv}.weight_codes`)).toMatchObject({ dtype: 'U8', shape: [1152] });
    expect(file.entry(`${qkv}.weight_scales`)).toMatchObject({ dtype: 'F16', shape: [96, 3] });
    expect(file.entry(`${qkv}.weight_zeros`)).toMatchObject({ dtype: 'U8', shape: [108] });
    expect(file.metadata.format_version).toBe('2');
    expect(JSON.parse(file.metadata.layers!)[qkv]).toEqual({
      ...{ shape: [96, 32], bits: 3, scale_rows: 96, group_size: 12 },
      ...{ packing: 'lsb-first', scale_dtype: 'F16' },
    });
    await file.close();
    const config = JSON.parse(await readFile(join(artefact, 'config.json'), 'utf8'));
    expect(config.quantization_config).toMatchObject({
      ...{ format_version: 2, quantizer: 'uniform', granularity: 'group', group_size: 12 },
      config_for_layers: { 'blocks.1.mlp.fc2': { group_size: 20 } },
    });
  });

  it('has one grid a matrix or a row where that is asked for', async () => {
    for (const granularity of ['tensor', 'channel'] as const) {
      const path = join(folder, granularity);
      const data = layers[0]!.reconstruct();
      const matrix = { name: qkv, rows: 96, columns: 32, data, groups: 3 };
      const weight = await new UniformQuantizer({ bits: 4, granularity }).quantize(matrix);
      await writeTinyArtefact(path, { ...job([weight], 4, 0), uniform: { granularity } });
      const model = await openModel(path);
      expect(await model.readQuantized(qkv)).toEqual(weight);
      const scaleRows = granularity === 'tensor' ? 3 : 96;
      expect(model.quantizedLayers()).toMatchObject([{ scaleRows, groupSize: 32 }]);
      expect(model.quantizedLayers().every(isUniform)).toBe(true);
      await model.close();
    }
  });

  it('keeps scales that float16 does not hold in float32, and says so', async () => {
    const path = join(folder, 'widened');
    const parts: UniformWeightParts = {
      ...layers[1]!,
      scales: layers[1]!.scales.slice().fill(0.1),
    };
    const weight = new UniformWeight(parts);
    const { widened } = await writeTinyArtefact(path, job([weight], 3, 12));
    expect(widened).toEqual([fc1]);
    const model = await openModel(path);
    expect(await model.readQuantized(fc1)).toEqual(weight);
    await model.close();
  });

  it('decodes to a plain checkpoint', async () => {
    const path = join(folder, 'decoded');
    const model = await openModel(artefact);
    await decodeArtefact(model, path);
    const plain = await openModel(path);
    expect(plain.kind).toBe('checkpoint');
    for (const name of model.names()) {
      expectSameBits(await plain.readFloat32(name), await model.readFloat32(name));
    }
    await plain.close();
    await model.close();
  });

  it.each<[string, Partial<ArtefactJob>]>([
    ['layers of codewords among grids', { layers: [{ name: fc1, load: async () => vq }] }],
    ['sub-vectors of several weights', { subvector: 4 }],
    ['no group size', { uniform: { granularity: 'group' } }],
    ['a group size for rows', { uniform: { granularity: 'channel', groupSize: 4 } }],
    ['nine bits', { codewords: 512 }],
  ])('is not written with %s', async (_what, more) => {
    const path = join(folder, 'refused');
    const written = writeTinyArtefact(path, { ...job(layers, 3, 12), ...more });
    await expect(written).rejects.toThrow(ArgumentError);
  });
});

const vq = randomLayer(fc1, 128, 32);

describe('uniform grids that are not as they should be', () => {
  let next = 0;
  const edited = async (edit: (artefact: EditableArtefact) => void) => {
    const path = join(folder, `edited-${next++}`);
    await mkdir(path);
    return editArtefact(artefact, path, edit);
  };
  const table =
    (fields: Record<string, unknown>) =>
    ({ layers }: EditableArtefact) => {
      Object.assign(layers[qkv]!, fields);
    };
  const declared =
    (fields: Record<string, unknown>) =>
    ({ quantization }: EditableArtefact) => {
      Object.assign(quantization, fields);
    };

  it.each<[string, (artefact: EditableArtefact) => void, RegExp]>([
    ['one bit', table({ bits: 1 }), /codes of 1 bits/],
    ['nine bits', table({ bits: 9 }), /bits 9, which is not an integer from 1 to 8/],
    ['other bits than its tensors', table({ bits: 4 }), /weight_codes" is U8 \[1152\].*\[1536\]/],
    ['scale rows that do not divide', table({ scale_rows: 5 }), /5 rows of scales for 96 rows/],
    ['more scale rows than rows', table({ scale_rows: 192 }), /not an integer from 1 to 96/],
    ['groups longer than a row', table({ group_size: 33 }), /not an integer from 1 to 32/],
    ['other groups than its tensors', table({ group_size: 16 }), /scales" is F16 \[96,3\]/],
    ['a group size of no number', table({ group_size: '12' }), /group_size "12"/],
    ['another dtype of scales', table({ scale_dtype: 'BF16' }), /scales of "BF16"/],
    ['a field of codebooks', table({ k: 8 }), /unknown field "k"/],
    ['another bit order', table({ packing: 'msb' }), /only "lsb-first"/],
    ['other bits in config.json', declared({ bits: 4 }), /something else than the config says/],
    ['another group size in it', declared({ group_size: 16 }), /something else than the config/],
    ['another quantizer', declared({ quantizer: 'log2' }), /quantizer must be "uniform"/],
    ['another granularity', declared({ granularity: 'x' }), /granularity must be one of/],
    ['rows with groups', declared({ granularity: 'channel' }), /only groups have a group_size/],
    ['another scale dtype in it', declared({ scale_dtype: 'F32' }), /scale_dtype must be F16/],
    ['layers of its own that are none', declared({ config_for_layers: { x: {} } }), /fc2|"x"/],
    [
      'missing scales',
      (a) => {
        a.tensors = a.tensors.filter(({ name }) => name !== `${qkv}.weight_scales`);
      },
      /weight_scales" is missing/,
    ],
    [
      'stray zero points',
      ({ layers }) => {
        delete layers[qkv];
      },
      /belongs to no layer/,
    ],
    [
      'the format of codewords',
      ({ quantization, metadata }) => {
        quantization.format_version = 1;
        metadata.format_version = '1';
      },
      /unknown field "scale_rows"/,
    ],
  ])('%s', async (_what, edit, message) => {
    const error = await valueOrVqError(async () => openModel(await edited(edit)));
    expect(error).toBeInstanceOf(VqError);
    expect((error as VqError).message).toMatch(message);
  });

  it.each([
    ['infinite', 0x7c00, 'Infinity'],
    ['not a number', 0x7e00, 'NaN'],
    ['zero', 0, '0'],
    ['negative', 0xbc00, '-1'],
  ])('a scale that is %s', async (_what, half, said) => {
    const path = await edited(({ tensors }) => {
      const scales = tensors.find(({ name }) => name === `${qkv}.weight_scales`)!;
      const bytes = scales.data() as Uint8Array;
      bytes.set([half & 0xff, half >> 8], 14);
    });
    const model = await openModel(path);
    const message = `weight_scales" holds ${said} at element 7; scales must be positive and finite`;
    await expect(model.readQuantized(qkv)).rejects.toThrow(message);
    await expect(model.readFloat32(`${qkv}.weight`)).rejects.toThrow(message);
    await model.close();
  });

  it('give values or a named error, whatever bytes changed', async () => {
    const tensors = new Uint8Array(await readFile(join(artefact, 'model.safetensors')));
    const config = new Uint8Array(await readFile(join(artefact, 'config.json')));
    const header = 8 + Number(new DataView(tensors.buffer).getBigUint64(0, true));
    const read = (tensorBytes: Uint8Array, configBytes: Uint8Array) =>
      valueOrVqError(async () => {
        const json = await readJsonObject(memorySource(configBytes, 'config.json'));
        const file = await openSafetensors(memorySource(tensorBytes, 'model.safetensors'));
        const beside = { where: 'config.json', json };
        const model = assembleModel({ path: 'artefact', files: [file], beside });
        for (const { name } of model.quantizedLayers()) {
          const weight = await valueOrVqError(() => model.readQuantized(name));
          if (weight instanceof UniformWeight) weight.reconstruct();
        }
      });
    const seen = { values: 0, errors: 0 };
    const edits = fc.record({
      inConfig: fc.boolean(),
      at: fc.oneof(fc.nat(header), fc.nat(tensors.length)),
      byte: fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('0123456789,:"{}[]'))),
    });
    await fc.assert(
      fc.asyncProperty(edits, async ({ inConfig, at, byte }) => {
        const [a, b] = [tensors.slice(), config.slice()];
        const changed = inConfig ? b : a;
        changed[at % changed.length] = byte;
        if ((await read(a, b)) instanceof VqError) seen.errors++;
        else seen.values++;
      }),
      { numRuns: 400 },
    );
    // Both must be common, or the changes are not worth much.
    expect(Math.min(seen.values, seen.errors)).toBeGreaterThan(25);
  });
});
