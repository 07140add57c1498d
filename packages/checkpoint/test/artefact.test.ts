import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createReferenceBackend } from '@vq4dit/backend-reference';
import {
  ArgumentError,
  codeWidth,
  InterruptedError,
  NonFiniteError,
  OutputError,
  RandomStream,
  TensorOps,
  unpackCodes,
  VqWeight,
} from '@vq4dit/core';
import { DiTWeights, ditForward } from '@vq4dit/dit';
import { describe, expect, it } from 'vitest';
import {
  decodeArtefact,
  decodeFloat16,
  encodeFloat16,
  layerSize,
  openModel,
  openSafetensors,
  writeArtefact,
} from '../src/index.ts';
import {
  openTiny,
  randomLayer,
  TINY_CONFIG,
  TINY_LAYERS,
  temporaryFolder,
  tinyJob,
  tinyTensors,
  writeTinyArtefact,
} from './support/models.ts';
import { expectSameBits, expectSameBytes, fixture } from './support/sources.ts';

const folder = await temporaryFolder();
const artefact = join(folder, 'artefact');
const result = await writeTinyArtefact(artefact);

/** A layer as it is after one trip through an F16 codebook. */
function rounded(weight: VqWeight): VqWeight {
  return new VqWeight({ ...weight, codebook: decodeFloat16(encodeFloat16(weight.codebook)) });
}

describe('an artefact', () => {
  it('gives back what was written', async () => {
    const model = await openModel(artefact);
    expect(model.kind).toBe('artefact');
    expect(model.config).toEqual(TINY_CONFIG);
    expect(model.extra).toEqual([]);
    expect(model.quantizedLayers()).toEqual(
      TINY_LAYERS.map(({ name, rows, columns, groups, k, d }) => ({
        ...{ name, rows, columns, groups, k, d },
        codebookDType: 'F16',
      })),
    );
    for (const weight of TINY_LAYERS) {
      const read = (await model.readQuantized(weight.name)) as VqWeight;
      const expected = rounded(weight);
      expect(read).toEqual(expected);
      for (const [i, value] of read.codebook.entries()) {
        // Half a unit in the last place of a float16 below 0.5, as all codewords are: 2^-12 / 2.
        expect(Math.abs(value - weight.codebook[i]!)).toBeLessThanOrEqual(2 ** -13);
      }
      const name = `${weight.name}.weight`;
      const { rows, columns } = weight;
      const byteLength = 4 * rows * columns;
      expect(model.entry(name)).toEqual({ name, dtype: 'F32', shape: [rows, columns], byteLength });
      expectSameBits(await model.readFloat32(name), expected.reconstruct());
      expectSameBytes((await model.read(name)).data, new Uint8Array(expected.reconstruct().buffer));
    }
    await model.close();
  });

  it('gives layers packed as they are stored', async () => {
    const model = await openModel(artefact);
    const file = await openSafetensors(join(artefact, 'model.safetensors'));
    for (const { name, rows, columns, groups, k, d } of TINY_LAYERS) {
      const packed = (await model.readPacked(`${name}.weight`))!;
      const { codes, codebook, ...rest } = packed;
      expect(rest).toEqual({ name, rows, columns, groups, k, d });
      expectSameBytes(codes, (await file.read(`${name}.weight_codes`)).data);
      const read = (await model.readQuantized(name)) as VqWeight;
      expectSameBits(codebook, read.codebook);
      const unpacked = unpackCodes(codes, codeWidth(k), (rows * columns) / d);
      expect(unpacked).toEqual(read.codes);
    }
    expect(await model.readPacked('blocks.0.mlp.fc2.weight')).toBeUndefined();
    expect(await model.readPacked('blocks.0.mlp.fc1')).toBeUndefined();
    await Promise.all([file.close(), model.close()]);
    const plain = await openTiny();
    expect(await plain.readPacked('blocks.0.mlp.fc1.weight')).toBeUndefined();
    await plain.close();
  });

  it('computes the same packed as decoded', async () => {
    const ops = new TensorOps(createReferenceBackend());
    const model = await openModel(artefact);
    const x = new RandomStream(1).fillNormal(new Float32Array(2 * 4 * 8 * 8));
    const outputs: Float32Array[] = [];
    for (const packed of [false, true]) {
      using weights = await DiTWeights.load(ops, model.config, model, { packed });
      const kept = TINY_LAYERS.filter(({ name }) => weights.lookup.packed?.(`${name}.weight`));
      expect(kept.length).toBe(packed ? TINY_LAYERS.length : 0);
      await ops.scope(async (s) => {
        const images = s.tensor(x, [2, 4, 8, 8]);
        outputs.push(await s.read(ditForward(s, weights, images, [3, 700], [1, 10])));
      });
    }
    expect(ops.memory().liveTensors).toBe(0);
    // The reference decodes a packed matrix before it multiplies: the same numbers.
    expectSameBits(outputs[1]!, outputs[0]!);
    await model.close();
  });

  it('packed or not, has its embeddings in floating point on the device', async () => {
    const name = 'y_embedder.embedding_table';
    const table = randomLayer(name, 11, 32);
    const path = join(folder, 'embeddings');
    await writeTinyArtefact(path, { layers: [{ name, load: async () => table }] });
    const ops = new TensorOps(createReferenceBackend());
    const model = await openModel(path);
    using weights = await DiTWeights.load(ops, model.config, model, { packed: true });
    expect(weights.lookup(`${name}.weight`).shape).toEqual([11, 32]);
    await model.close();
  });

  it('keeps everything that is not quantized, byte for byte', async () => {
    const model = await openModel(artefact);
    const original = await tinyTensors();
    expect([...model.names()].sort()).toEqual(original.map(({ name }) => name).sort());
    const quantized = TINY_LAYERS.map(({ name }) => `${name}.weight`);
    for (const { name, dtype, shape, data } of original) {
      if (quantized.includes(name)) continue;
      expect(model.entry(name)).toMatchObject({ dtype, shape });
      expectSameBytes((await model.read(name)).data, (await data()) as Uint8Array);
    }
    expect(() => model.entry('blocks.0.mlp.fc1.weight_codes')).toThrow(/no tensor/);
    expect(model.has('blocks.0.mlp.fc1.weight_codes')).toBe(false);
    await model.close();
  });

  it('is the same opened by its tensor file', async () => {
    const model = await openModel(join(artefact, 'model.safetensors'));
    expect(model.kind).toBe('artefact');
    expect(await model.readQuantized('blocks.0.mlp.fc1')).toEqual(rounded(TINY_LAYERS[1]!));
    await expect(model.readQuantized('blocks.1.mlp.fc1')).rejects.toThrow(/is not quantized/);
    await model.close();
  });

  it('has the same bytes each time, in whatever order its layers are given', async () => {
    const again = join(folder, 'again');
    const model = await openTiny();
    const job = tinyJob(model);
    await writeArtefact(again, { ...job, layers: [...job.layers].reverse() });
    await model.close();
    expect(await readdir(again)).toEqual(['config.json', 'model.safetensors']);
    for (const name of await readdir(again)) {
      expectSameBytes(await readFile(join(again, name)), await readFile(join(artefact, name)));
    }
  });

  it('with F32 codebooks loses nothing, and copying an F16 one loses nothing more', async () => {
    const exact = join(folder, 'exact');
    await writeTinyArtefact(exact, { codebookDType: 'F32' });
    const model = await openModel(exact);
    for (const weight of TINY_LAYERS)
      expect(await model.readQuantized(weight.name)).toEqual(weight);
    await model.close();
    const first = await openModel(artefact);
    const layers = await Promise.all(TINY_LAYERS.map(({ name }) => first.readQuantized(name)));
    await first.close();
    const copy = join(folder, 'copy');
    await writeTinyArtefact(copy, {
      layers: layers.map((weight) => ({ name: weight.name, load: async () => weight })),
    });
    expectSameBytes(
      await readFile(join(copy, 'model.safetensors')),
      await readFile(join(artefact, 'model.safetensors')),
    );
  });

  it('tells what it is', async () => {
    const model = await openModel(artefact);
    const source = await openTiny();
    expect(model.artefact).toMatchObject({
      formatVersion: 1,
      producer: 'vq4dit',
      method: 'vq4dit',
      seed: '7',
      sourceSha256: await source.sha256(),
      totalParameters: 51_680,
      bits: 2,
      codewords: 256,
      subvector: 4,
      codebookDType: 'F16',
      candidates: 2,
    });
    // Each layer by hand: sub-vectors by code width, then codebook elements by 16.
    const bits =
      (3072 / 4) * 8 +
      3 * 256 * 4 * 16 + // attn.qkv
      ((4096 / 2) * 6 + 50 * 2 * 16) + // mlp.fc1
      ((1024 / 32) * 1 + 1 * 32 * 16) + // attn.proj
      ((4096 / 4) * 10 + 1000 * 4 * 16); // mlp.fc2
    const weights = 3072 + 4096 + 1024 + 4096;
    expect(result.quantizedWeights).toBe(weights);
    expect(result.bitsPerWeight).toBeCloseTo(bits / weights, 12);
    expect(result.bytes).toBe(bits / 8);
    expect(model.artefact?.trueBitsPerWeight).toBeCloseTo(bits / weights, 6);
    expect(result.layers.reduce((sum, layer) => sum + layerSize(layer).bytes, 0)).toBe(bits / 8);
    expect(model.artefact?.modulesNotConverted).toContain('final_layer.linear');
    expect(model.artefact?.modulesNotConverted).not.toContain('blocks.0.mlp.fc1');
    await source.close();
    await model.close();
  });

  it('is written as its format says', async () => {
    const file = await openSafetensors(join(artefact, 'model.safetensors'));
    expect(file.entry('blocks.0.attn.qkv.weight_codes')).toMatchObject({
      dtype: 'U8',
      shape: [96, 8],
    });
    expect(file.entry('blocks.0.attn.qkv.weight_codebook')).toMatchObject({
      dtype: 'F16',
      shape: [3, 256, 4],
    });
    expect(file.entry('blocks.1.mlp.fc2.weight_codes').shape).toEqual([1280]);
    expect(JSON.parse(file.metadata.layers!)['blocks.0.mlp.fc1']).toEqual({
      shape: [128, 32],
      groups: 1,
      k: 50,
      d: 2,
      bits: 6,
      packing: 'lsb-first',
      codebook_dtype: 'F16',
    });
    await file.close();
    const config = JSON.parse(await readFile(join(artefact, 'config.json'), 'utf8'));
    expect(config.num_heads).toBe(4);
    expect(config.quantization_config).toMatchObject({
      quant_method: 'vq4dit',
      format_version: 1,
      config_for_layers: {
        'blocks.0.mlp.fc1': { codewords: 50, subvector: 2 },
        'blocks.1.attn.proj': { codewords: 1, subvector: 32 },
        'blocks.1.mlp.fc2': { codewords: 1000 },
      },
    });
    expect(config.quantization_config.config_for_layers['blocks.0.attn.qkv']).toBeUndefined();
  });

  it('takes biases that calibration changed', async () => {
    const path = join(folder, 'biases');
    const bias = Float32Array.from({ length: 128 }, (_, i) => i / 7);
    await writeTinyArtefact(path, { biases: new Map([['blocks.0.mlp.fc1.bias', bias]]) });
    const model = await openModel(path);
    expectSameBits(await model.readFloat32('blocks.0.mlp.fc1.bias'), bias);
    await model.close();
  });

  it('keeps a codebook that float16 cannot hold in float32, and says so', async () => {
    const path = join(folder, 'widened');
    const large = randomLayer('blocks.0.mlp.fc1', 128, 32, { k: 50, d: 2 });
    large.codebook[3] = 65_520;
    const small = randomLayer('blocks.0.mlp.fc2', 32, 128);
    small.codebook[3] = -65_519;
    const layers = [large, small].map((weight) => ({
      name: weight.name,
      load: async () => weight,
    }));
    const { widened } = await writeTinyArtefact(path, { layers });
    expect(widened).toEqual(['blocks.0.mlp.fc1']);
    const model = await openModel(path);
    expect(model.quantizedLayers()).toMatchObject([
      { codebookDType: 'F32' },
      { codebookDType: 'F16' },
    ]);
    expect(await model.readQuantized(large.name)).toEqual(large);
    expect(await model.readQuantized(small.name)).toHaveProperty('codebook.3', -65_504);
    await model.close();
  });

  it('makes each layer once, and one after the other', async () => {
    const calls: string[] = [];
    const told: number[] = [];
    await writeTinyArtefact(join(folder, 'calls'), {
      layers: TINY_LAYERS.map((weight) => ({
        name: weight.name,
        load: async () => {
          calls.push(weight.name);
          return weight;
        },
      })),
      onLayer: ({ done, total }) => told.push(done, total),
    });
    expect(calls).toEqual(TINY_LAYERS.map(({ name }) => name));
    expect(told).toEqual([1, 4, 2, 4, 3, 4, 4, 4]);
  });
});

describe('a job that cannot be done leaves nothing behind', () => {
  const layer = (weight: VqWeight, name = weight.name) => [{ name, load: async () => weight }];
  const nan = randomLayer('blocks.0.mlp.fc1', 128, 32);
  nan.codebook[5] = Number.NaN;
  const stopped = new AbortController();
  stopped.abort();
  it.each([
    ['an unknown layer', { layers: layer(randomLayer('blocks.9.mlp.fc1', 4, 4)) }, ArgumentError],
    ['a convolution', { layers: layer(randomLayer('x_embedder.proj', 32, 16)) }, ArgumentError],
    ['a layer twice', { layers: [...layer(nan), ...layer(nan)] }, ArgumentError],
    ['another shape', { layers: layer(randomLayer('blocks.0.mlp.fc1', 32, 128)) }, ArgumentError],
    ['another layer', { layers: layer(TINY_LAYERS[1]!, 'blocks.1.mlp.fc1') }, ArgumentError],
    ['a NaN codebook', { layers: layer(nan) }, NonFiniteError],
    ['an unknown bias', { biases: new Map([['x', new Float32Array(1)]]) }, ArgumentError],
    [
      'a bias of another length',
      { biases: new Map([['blocks.0.mlp.fc1.bias', new Float32Array(1)]]) },
      ArgumentError,
    ],
    [
      'an infinite bias',
      { biases: new Map([['final_layer.linear.bias', new Float32Array(32).fill(1 / 0)]]) },
      NonFiniteError,
    ],
    ['no codewords', { codewords: 0 }, ArgumentError],
    ['metadata of the format', { metadata: { seed: '1' } }, ArgumentError],
    ['an aborted signal', { signal: stopped.signal }, InterruptedError],
  ])('%s', async (_what, more, type) => {
    const parent = join(folder, 'failed');
    await mkdir(parent, { recursive: true });
    await expect(writeTinyArtefact(join(parent, 'out'), more)).rejects.toThrow(type);
    expect(await readdir(parent)).toEqual([]);
  });

  it('a folder with other files, and a model that is quantized already', async () => {
    const path = join(folder, 'taken');
    await mkdir(path);
    await writeFile(join(path, 'thesis.txt'), 'x');
    await expect(writeTinyArtefact(path)).rejects.toThrow(OutputError);
    expect(await readdir(path)).toEqual(['thesis.txt']);
    const model = await openModel(artefact);
    await expect(writeArtefact(join(folder, 'twice'), tinyJob(model))).rejects.toThrow(
      /already quantized/,
    );
    await model.close();
  });
});

describe('decoding', () => {
  it('gives a plain checkpoint in a file, equal to the reconstruction', async () => {
    const path = join(folder, 'decoded.safetensors');
    const model = await openModel(artefact);
    const told: string[] = [];
    await decodeArtefact(model, path, { onTensor: ({ tensor }) => told.push(tensor) });
    const file = await openSafetensors(path);
    const original = await openSafetensors(fixture('dit-tiny.safetensors'));
    expect(file.metadata).toEqual({ format: 'pt' });
    expect(file.names().sort()).toEqual(original.names().sort());
    expect(told.sort()).toEqual(file.names().sort());
    for (const name of file.names()) {
      expect(file.entry(name)).toMatchObject({
        dtype: original.entry(name).dtype,
        shape: original.entry(name).shape,
      });
      const layer = TINY_LAYERS.find((weight) => name === `${weight.name}.weight`);
      const expected = layer ? rounded(layer).reconstruct() : await original.readFloat32(name);
      expectSameBits(await file.readFloat32(name), expected);
    }
    for (const open of [model, file, original]) await open.close();
  });

  it('gives a folder that opens as a plain model', async () => {
    const path = join(folder, 'decoded');
    const model = await openModel(artefact);
    await decodeArtefact(model, path);
    const plain = await openModel(path);
    expect(plain.kind).toBe('checkpoint');
    expect(plain.config).toEqual(TINY_CONFIG);
    const config = JSON.parse(await readFile(join(path, 'config.json'), 'utf8'));
    expect(config.quantization_config).toBeUndefined();
    for (const name of model.names()) {
      expectSameBits(await plain.readFloat32(name), await model.readFloat32(name));
    }
    await plain.close();
    await model.close();
  });

  it('gives the names of diffusers', async () => {
    const path = join(folder, 'decoded-diffusers');
    const model = await openModel(artefact);
    await decodeArtefact(model, path, { keyNames: 'diffusers' });
    const plain = await openModel(path);
    expect(plain.keyNames).toBe('diffusers');
    for (const name of model.names().filter((key) => key !== 'pos_embed')) {
      expectSameBits(await plain.readFloat32(name), await model.readFloat32(name));
    }
    await plain.close();
    await model.close();
  });

  it('in float16 is rounded, and refuses what float16 cannot hold', async () => {
    const path = join(folder, 'half.safetensors');
    const model = await openModel(artefact);
    await decodeArtefact(model, path, { dtype: 'F16' });
    const file = await openSafetensors(path);
    for (const name of file.names()) {
      expect(file.entry(name).dtype).toBe('F16');
      const expected = decodeFloat16(encodeFloat16(await model.readFloat32(name)));
      expectSameBits(await file.readFloat32(name), expected);
    }
    await file.close();
    await model.close();
    const bias = new Float32Array(128).fill(1e6);
    const large = join(folder, 'large');
    await writeTinyArtefact(large, { biases: new Map([['blocks.0.mlp.fc1.bias', bias]]) });
    const other = await openModel(large);
    await expect(
      decodeArtefact(other, join(folder, 'no.safetensors'), { dtype: 'F16' }),
    ).rejects.toThrow(/"blocks\.0\.mlp\.fc1\.bias" holds 1000000 at element 0/);
    await other.close();
    expect(await readdir(folder)).not.toContain('no.safetensors');
  });
});
