import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError } from '@vq4dit/core';
import { describe, expect, it } from 'vitest';
import {
  decodeArtefact,
  encodeSafetensors,
  type ModelFile,
  openModel,
  openSafetensors,
  type TensorToWrite,
  writeSafetensors,
} from '../src/index.ts';
import { diffusersConfigToJson, parseDiffusersConfig } from '../src/model/diffusers-config.ts';
import {
  openTiny,
  TINY_CONFIG,
  temporaryFolder,
  tinyTensors,
  writeJson,
} from './support/models.ts';
import { expectSameBytes } from './support/sources.ts';

const folder = await temporaryFolder();

/** The config of the tiny model as diffusers saves it. */
const DIFFUSERS_JSON = {
  _class_name: 'DiTTransformer2DModel',
  _diffusers_version: '0.30.0',
  activation_fn: 'gelu-approximate',
  attention_bias: true,
  attention_head_dim: 8,
  dropout: 0,
  in_channels: 4,
  norm_elementwise_affine: false,
  norm_eps: 1e-5,
  norm_num_groups: 32,
  norm_type: 'ada_norm_zero',
  num_attention_heads: 4,
  num_embeds_ada_norm: 10,
  num_layers: 2,
  out_channels: 8,
  patch_size: 2,
  sample_size: 8,
  upcast_attention: false,
};

/**
 * The tiny model under the names of diffusers, written out by hand: the other side of the table
 * that is tested.
 */
async function diffusersTiny(): Promise<TensorToWrite[]> {
  const tensors: TensorToWrite[] = [];
  for (const { name, dtype, shape, data } of await tinyTensors()) {
    const bytes = (await data()) as Uint8Array;
    const kind = name.endsWith('.bias') ? 'bias' : 'weight';
    const add = (as: string, part = bytes, rows = shape[0]!) =>
      tensors.push({
        name: `${as}.${kind}`,
        dtype,
        shape: [rows, ...shape.slice(1)],
        data: () => part,
      });
    const block = name.split('.')[1];
    const inBlock = `transformer_blocks.${block}`;
    if (name === 'pos_embed') continue;
    if (name.startsWith('x_embedder.proj')) add('pos_embed.proj');
    else if (name.startsWith('final_layer.linear')) add('proj_out_2');
    else if (name.startsWith('final_layer.adaLN')) add('proj_out_1');
    else if (name.startsWith('t_embedder.mlp.')) {
      const layer = name.startsWith('t_embedder.mlp.0') ? 'linear_1' : 'linear_2';
      for (const i of [0, 1]) add(`transformer_blocks.${i}.norm1.emb.timestep_embedder.${layer}`);
    } else if (name.startsWith('y_embedder')) {
      for (const i of [0, 1])
        add(`transformer_blocks.${i}.norm1.emb.class_embedder.embedding_table`);
    } else if (name.includes('attn.qkv')) {
      const third = bytes.byteLength / 3;
      for (const [i, part] of ['to_q', 'to_k', 'to_v'].entries()) {
        add(`${inBlock}.attn1.${part}`, bytes.subarray(i * third, (i + 1) * third), 32);
      }
    } else if (name.includes('attn.proj')) add(`${inBlock}.attn1.to_out.0`);
    else if (name.includes('mlp.fc1')) add(`${inBlock}.ff.net.0.proj`);
    else if (name.includes('mlp.fc2')) add(`${inBlock}.ff.net.2`);
    else if (name.includes('adaLN_modulation')) add(`${inBlock}.norm1.linear`);
    else throw new Error(`no rule for ${name}`);
  }
  return tensors;
}

async function write(name: string, tensors: TensorToWrite[], config: unknown): Promise<string> {
  const path = join(folder, name);
  await writeSafetensors(`${path}.safetensors`, tensors);
  await writeJson(`${path}.json`, config);
  return path;
}

async function open(path: string): Promise<ModelFile> {
  return openModel(`${path}.safetensors`, { configPath: `${path}.json` });
}

it('a diffusers file is the same model as the original', async () => {
  const path = await write('tiny', await diffusersTiny(), DIFFUSERS_JSON);
  const model = await open(path);
  expect(model.keyNames).toBe('diffusers');
  expect(model.config).toEqual(TINY_CONFIG);
  expect(model.extra).toEqual([]);
  const original = (await tinyTensors()).filter(({ name }) => name !== 'pos_embed');
  expect([...model.names()].sort()).toEqual(original.map(({ name }) => name).sort());
  for (const { name, dtype, shape, data } of original) {
    const bytes = (await data()) as Uint8Array;
    expect(model.entry(name)).toMatchObject({ name, dtype, shape, byteLength: bytes.byteLength });
    expectSameBytes((await model.read(name)).data, bytes);
    const values = await model.readFloat32(name);
    expectSameBytes(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), bytes);
  }
  await model.close();
});

it('what is written for diffusers has its names and shapes, and reads back as the same model', async () => {
  const out = join(folder, 'written');
  const model = await openTiny();
  await decodeArtefact(model, out, { keyNames: 'diffusers' });
  await model.close();
  const written = await readFile(join(out, 'diffusion_pytorch_model.safetensors'));
  const expected = await encodeSafetensors(await diffusersTiny(), { format: 'pt' });
  expectSameBytes(written, expected);
  const json: unknown = JSON.parse(await readFile(join(out, 'config.json'), 'utf8'));
  const { _diffusers_version, norm_eps, ...saved } = DIFFUSERS_JSON;
  expect(json).toEqual({ ...saved, norm_eps: 1e-6 });
  const again = await openModel(out);
  expect(again.config).toEqual(TINY_CONFIG);
  const back = join(folder, 'back.safetensors');
  await decodeArtefact(again, back);
  await again.close();
  // The position embedding, which diffusers computes, is computed for the original again.
  const file = await openSafetensors(back);
  for (const { name, data } of await tinyTensors()) {
    const bytes = (await data()) as Uint8Array;
    if (name !== 'pos_embed') expectSameBytes((await file.read(name)).data, bytes);
    else {
      const expectedValues = new Float32Array(bytes.slice().buffer);
      for (const [i, value] of (await file.readFloat32(name)).entries()) {
        // Sine and cosine of two libraries, rounded to float32: one unit in the last place of 1.
        expect(Math.abs(value - expectedValues[i]!)).toBeLessThanOrEqual(2 ** -23);
      }
    }
  }
  await file.close();
});

describe('a diffusers file that is not a whole DiT', () => {
  it('lacks a part of q, k, v', async () => {
    const tensors = (await diffusersTiny()).filter(
      ({ name }) => name !== 'transformer_blocks.1.attn1.to_k.weight',
    );
    const path = await write('no-k', tensors, DIFFUSERS_JSON);
    await expect(open(path)).rejects.toThrow(/blocks\.1\.attn\.qkv\.weight is missing|depth 1/);
  });

  it('has parts of different dtypes', async () => {
    const tensors = (await diffusersTiny()).map((tensor) =>
      tensor.name === 'transformer_blocks.1.attn1.to_k.weight'
        ? { ...tensor, dtype: 'F16' as const, data: () => new Uint8Array(32 * 32 * 2) }
        : tensor,
    );
    const path = await write('mixed', tensors, DIFFUSERS_JSON);
    await expect(open(path)).rejects.toThrow(/do not fit together as blocks\.1\.attn\.qkv\.weight/);
  });

  it('has tensors that the model has no use for', async () => {
    const tensors = await diffusersTiny();
    const stray = { name: 'norm_out.weight', dtype: 'U8', shape: [1] } as const;
    const path = await write(
      'stray',
      [...tensors, { ...stray, data: () => Uint8Array.of(0) }],
      DIFFUSERS_JSON,
    );
    const model = await open(path);
    expect(model.extra).toEqual(['norm_out.weight']);
    await model.close();
  });
});

describe('the config of diffusers', () => {
  it('says what the original arguments say', () => {
    expect(parseDiffusersConfig(DIFFUSERS_JSON, 'x')).toEqual(TINY_CONFIG);
    expect(parseDiffusersConfig({ ...DIFFUSERS_JSON, out_channels: null }, 'x').learnSigma).toBe(
      false,
    );
    expect(parseDiffusersConfig(diffusersConfigToJson(TINY_CONFIG), 'x')).toEqual(TINY_CONFIG);
  });

  it.each([
    [
      { norm_type: 'ada_norm_single' },
      'x: norm_type is "ada_norm_single", but a DiT has "ada_norm_zero".',
    ],
    [{ activation_fn: 'geglu' }, 'x: activation_fn is "geglu", but a DiT has "gelu-approximate".'],
    [
      { out_channels: 5 },
      'x: out_channels 5 must be in_channels 4, or twice as many with learned sigma.',
    ],
    [{ num_layers: '2' }, 'x: num_layers must be a number, not "2".'],
  ])('is refused with %j', (change, message) => {
    expect(() => parseDiffusersConfig({ ...DIFFUSERS_JSON, ...change }, 'x')).toThrow(
      new ModelError(message),
    );
  });

  it('exists only for the models that diffusers has', () => {
    expect(() => diffusersConfigToJson({ ...TINY_CONFIG, classDropoutProb: 0 })).toThrow(
      /without a null label/,
    );
    expect(() => diffusersConfigToJson({ ...TINY_CONFIG, mlpRatio: 2 })).toThrow(/mlp_ratio 2/);
  });
});
