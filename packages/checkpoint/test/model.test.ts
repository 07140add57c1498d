import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileFormatError, InputError, ModelError } from '@vq4dit/core';
import { ditPreset } from '@vq4dit/dit';
import { describe, expect, it } from 'vitest';
import {
  encodeSafetensors,
  littleEndianBytes,
  type ModelFile,
  openModel,
  parameterCount,
  writeSafetensors,
} from '../src/index.ts';
import { assembleModel } from '../src/model/open-model.ts';
import {
  shapesOnly,
  TINY_CONFIG,
  TINY_JSON,
  temporaryFolder,
  tinyTensors,
  writeJson,
} from './support/models.ts';
import * as p from './support/pickle-writer.ts';
import { expectSameBytes, fixture } from './support/sources.ts';
import { checkpointRecords, zip } from './support/zip-writer.ts';

const folder = await temporaryFolder();
const tiny = fixture('dit-tiny.safetensors');
let next = 0;

/** A new folder with these files; a string is copied from the fixtures, anything else is JSON. */
async function folderOf(files: Record<string, unknown>): Promise<string> {
  const path = join(folder, `model-${next++}`);
  await mkdir(path);
  for (const [name, content] of Object.entries(files)) {
    if (typeof content === 'string') await copyFile(fixture(content), join(path, name));
    else await writeJson(join(path, name), content);
  }
  return path;
}

const config = await writeJson(join(folder, 'tiny.json'), TINY_JSON);

async function expectTiny(model: ModelFile): Promise<void> {
  expect(model.kind).toBe('checkpoint');
  expect(model.config).toEqual(TINY_CONFIG);
  expect(model.extra).toEqual([]);
  expect(model.quantizedLayers()).toEqual([]);
  expect(model.artefact).toBeUndefined();
  const expected = await tinyTensors();
  expect([...model.names()].sort()).toEqual(expected.map(({ name }) => name).sort());
  for (const { name, dtype, shape, data } of expected) {
    const bytes = (await data()) as Uint8Array;
    expect(model.entry(name)).toMatchObject({ name, dtype, shape, byteLength: bytes.byteLength });
    const stored = await model.read(name);
    expect(stored).toMatchObject({ dtype, shape });
    expectSameBytes(stored.data, bytes);
    expectSameBytes(littleEndianBytes(await model.readFloat32(name)), bytes);
  }
  await model.close();
}

describe('one model in every form', () => {
  it('a training checkpoint, by its own arguments', async () => {
    await expectTiny(await openModel(fixture('dit-tiny-train-checkpoint.pt')));
  });

  it('a state dict and a safetensors file, by a config file', async () => {
    await expectTiny(await openModel(fixture('dit-tiny.pt'), { configPath: config }));
    await expectTiny(await openModel(tiny, { configPath: config }));
  });

  it.each(['model.safetensors', 'diffusion_pytorch_model.safetensors', 'some.safetensors'])(
    'a folder with config.json and %s, and that file itself',
    async (name) => {
      const path = await folderOf({ 'config.json': TINY_JSON, [name]: 'dit-tiny.safetensors' });
      await expectTiny(await openModel(path));
      await expectTiny(await openModel(join(path, name)));
    },
  );

  it('a folder with config.json, one .pt file and other data', async () => {
    const path = await folderOf({
      'config.json': TINY_JSON,
      'dit.pt': 'dit-tiny.pt',
      'statistics.safetensors': 'dit-tiny.safetensors',
    });
    await expectTiny(await openModel(path));
  });

  it('the folder of a pipeline', async () => {
    const path = await folderOf({ 'model_index.json': {} });
    await mkdir(join(path, 'transformer'));
    await copyFile(tiny, join(path, 'transformer', 'diffusion_pytorch_model.safetensors'));
    await writeJson(join(path, 'transformer', 'config.json'), TINY_JSON);
    await expectTiny(await openModel(path));
  });

  it('shards with an index', async () => {
    const path = await folderOf({ 'config.json': TINY_JSON });
    const tensors = await tinyTensors();
    const halves = [tensors.slice(0, 11), tensors.slice(11)];
    const weight_map: Record<string, string> = {};
    for (const [i, half] of halves.entries()) {
      const name = `model-0000${i + 1}-of-00002.safetensors`;
      await writeSafetensors(join(path, name), half);
      for (const tensor of half) weight_map[tensor.name] = name;
    }
    const index = await writeJson(join(path, 'model.safetensors.index.json'), { weight_map });
    await expectTiny(await openModel(path));
    await expectTiny(await openModel(index));
    const model = await openModel(path);
    const bytes = await Promise.all(model.files.map((file) => readFile(file)));
    expect(await model.sha256()).toBe(sha256(Buffer.concat(bytes)));
    await model.close();
  });

  it('without its position embedding, which is computed from the image size', async () => {
    const path = await folderOf({ 'config.json': TINY_JSON });
    const tensors = (await tinyTensors()).filter(({ name }) => name !== 'pos_embed');
    await writeSafetensors(join(path, 'model.safetensors'), tensors);
    const model = await openModel(path);
    expect(model.config).toEqual(TINY_CONFIG);
    await model.close();
    await writeJson(join(path, 'config.json'), { num_heads: 4 });
    await expect(openModel(path)).rejects.toThrow(/input_size in a config file \(--config\)/);
  });
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

it('the digest is that of the file', async () => {
  const model = await openModel(tiny, { configPath: config });
  expect(await model.sha256()).toBe(sha256(await readFile(tiny)));
  await model.close();
});

it('tensors that the model has no use for are named', async () => {
  const path = await folderOf({ 'config.json': TINY_JSON });
  await writeSafetensors(join(path, 'model.safetensors'), [
    ...(await tinyTensors()),
    { name: 'step', dtype: 'I64', shape: [], data: () => new Uint8Array(8) },
  ]);
  const model = await openModel(path);
  expect(model.extra).toEqual(['step']);
  await model.close();
});

describe('what the shapes do not tell', () => {
  const shapesOf = (args?: Record<string, string | number | boolean>) =>
    shapesOnly({ ...ditPreset('DiT-S/4', 128), classDropoutProb: 0.1 }, args);

  it('comes from the preset of the same width and depth', () => {
    const model = assembleModel({ path: 'x', files: [shapesOf()] });
    expect(model.config).toEqual(ditPreset('DiT-S/4', 128));
  });

  it('comes from the arguments of the original training script', () => {
    const args = { model: 'DiT-S/4', image_size: 128, num_classes: 1000, epochs: 80, vae: 'ema' };
    const model = assembleModel({ path: 'x', files: [shapesOf(args)] });
    expect(model.config).toEqual(ditPreset('DiT-S/4', 128));
    expect(() =>
      assembleModel({ path: 'x', files: [shapesOf({ ...args, image_size: 256 })] }),
    ).toThrow(new ModelError('shapes.pt: the tensors have inputSize 16, but the config says 32.'));
  });

  it('is asked for where nobody says it', async () => {
    await expect(openModel(tiny)).rejects.toThrow(
      `${tiny}: the shapes do not tell the number of attention heads (width 32, depth 2); give num_heads in a config file (--config).`,
    );
  });

  it('comes from config.json', async () => {
    const path = await folderOf({
      'config.json': { ...TINY_JSON, num_heads: 8 },
      'model.safetensors': 'dit-tiny.safetensors',
    });
    const model = await openModel(path);
    expect(model.config).toEqual({ ...TINY_CONFIG, numHeads: 8 });
    await model.close();
  });

  it('comes from --config alone where it is given', async () => {
    const path = await folderOf({
      // Neither of the two is looked at, so they need not agree or be right.
      'config.json': { num_heads: 'many' },
      'model.pt': 'dit-tiny-train-checkpoint.pt',
    });
    const heads = await writeJson(join(folder, 'heads.json'), { num_heads: 16 });
    const model = await openModel(path, { configPath: heads });
    expect(model.config).toEqual({ ...TINY_CONFIG, numHeads: 16 });
    await model.close();
    const other = await writeJson(join(folder, 'other.json'), { class_dropout_prob: 0.2 });
    await expect(openModel(path, { configPath: other })).rejects.toThrow(/--config/);
  });

  it('may not be said in two ways', async () => {
    const path = await folderOf({
      'config.json': { num_heads: 8 },
      'model.pt': 'dit-tiny-train-checkpoint.pt',
    });
    await expect(openModel(path)).rejects.toThrow(
      /config\.json says numHeads 8, but .*model\.pt: args says 4; .*--config/,
    );
    await writeJson(join(path, 'config.json'), { num_heads: 4 });
    await expectTiny(await openModel(path));
  });

  it('may not contradict the shapes', async () => {
    const wrong = await writeJson(join(folder, 'wrong.json'), { ...TINY_JSON, depth: 3 });
    await expect(openModel(tiny, { configPath: wrong })).rejects.toThrow(/depth 2.* says 3/);
  });

  it('is not taken from a config.json that belongs to another file', async () => {
    const path = await folderOf({
      'config.json': TINY_JSON,
      'model.safetensors': 'dit-tiny.safetensors',
      'other.safetensors': 'dit-tiny.safetensors',
    });
    await expect(openModel(join(path, 'other.safetensors'))).rejects.toThrow(/num_heads/);
  });

  it('a dict and an argparse.Namespace of arguments are the same', async () => {
    const args: [p.Piece, p.Piece][] = Object.entries(TINY_JSON).map(([key, value]) => [
      p.text(key),
      typeof value === 'boolean' ? p.op('NEWTRUE') : p.float(value),
    ]);
    const namespace = p.build(p.newObject(p.global('argparse', 'Namespace')), p.dict(...args));
    for (const [i, piece] of [p.dict(...args), namespace].entries()) {
      const path = join(folder, `args-${i}.pt`);
      await writeFile(path, await tinyCheckpoint(piece));
      await expectTiny(await openModel(path));
    }
  });
});

/** `{"ema": state dict, "args": args}` of the tiny model. */
async function tinyCheckpoint(args: p.Piece): Promise<Uint8Array> {
  const tensors = await tinyTensors();
  const storages: Uint8Array[] = [];
  const items: [p.Piece, p.Piece][] = [];
  for (const { name, shape, data } of tensors) {
    const bytes = (await data()) as Uint8Array;
    const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
    const storage = p.storage('Float', String(storages.length), p.int(bytes.byteLength / 4));
    items.push([p.text(name), p.tensor(storage, 0, [...shape], strides)]);
    storages.push(bytes);
  }
  const root = p.dict([p.text('ema'), p.dict(...items)], [p.text('args'), args]);
  return zip(checkpointRecords(p.pickle(root), storages));
}

describe('class names', () => {
  const classNames = [...'abcdefghij'];

  it('come from the config file', async () => {
    const path = await folderOf({
      'config.json': { ...TINY_JSON, class_names: classNames },
      'model.safetensors': 'dit-tiny.safetensors',
    });
    const model = await openModel(path);
    expect(model.classNames).toEqual(classNames);
    await model.close();
  });

  it('must be one for each class', async () => {
    const path = await folderOf({
      'config.json': { ...TINY_JSON, class_names: ['a'] },
      'model.safetensors': 'dit-tiny.safetensors',
    });
    await expect(openModel(path)).rejects.toThrow(/1 class_names for a model of 10 classes/);
  });
});

describe('what cannot be opened is named', () => {
  it('a path where nothing is', async () => {
    const path = join(folder, 'nowhere');
    await expect(openModel(path)).rejects.toThrow(
      new InputError(`${path}: there is no such file or folder; check the path.`),
    );
  });

  it('a folder without a model, or with several', async () => {
    const empty = await folderOf({ 'config.json': TINY_JSON });
    await expect(openModel(empty)).rejects.toThrow(/the folder holds no model/);
    const many = await folderOf({ 'a.pt': 'dit-tiny.pt', 'b.pt': 'dit-tiny.pt' });
    await expect(openModel(many)).rejects.toThrow(/2 files that could be the model/);
    expect((await openModel(join(many, 'a.pt'), { configPath: config })).config).toEqual(
      TINY_CONFIG,
    );
  });

  it('a config that is no JSON object', async () => {
    const path = join(folder, 'broken.json');
    for (const text of ['{"num_heads": 4', '[4]', '4']) {
      await writeFile(path, text);
      await expect(openModel(tiny, { configPath: path })).rejects.toThrow(FileFormatError);
    }
    await expect(openModel(tiny, { configPath: join(folder, 'no.json') })).rejects.toThrow(
      InputError,
    );
  });

  it('a model that is no DiT', async () => {
    const path = join(folder, 'other.safetensors');
    const tensors = [{ name: 'a', dtype: 'U8', shape: [1], data: () => Uint8Array.of(1) } as const];
    await writeFile(path, await encodeSafetensors(tensors));
    await expect(openModel(path)).rejects.toThrow(/is this a DiT\?/);
  });

  it.each([
    ['no map', {}, /no weight_map/],
    ['a path that leaves the folder', { weight_map: { a: '../x.safetensors' } }, /not the name/],
    [
      'a shard that is not there',
      { weight_map: { a: 'x.safetensors' } },
      /x\.safetensors.*no such file/,
    ],
  ])('an index with %s', async (_what, index, message) => {
    const path = await folderOf({ 'model.safetensors.index.json': index });
    await expect(openModel(path)).rejects.toThrow(message);
  });

  it('a tensor in two shards', async () => {
    const weight_map = { a: 'a.safetensors', b: 'b.safetensors' };
    const path = await folderOf({
      'model.safetensors.index.json': { weight_map },
      'a.safetensors': 'dit-tiny.safetensors',
      'b.safetensors': 'dit-tiny.safetensors',
    });
    await expect(openModel(path)).rejects.toThrow(
      /b\.safetensors: tensor .* is in .*a\.safetensors/,
    );
  });

  it('a layer that is not quantized', async () => {
    const model = await openModel(tiny, { configPath: config });
    await expect(model.readQuantized('blocks.0.attn.qkv')).rejects.toThrow(/is not quantized/);
    expect(() => model.entry('nothing')).toThrow(ModelError);
    await model.close();
  });
});

it('the parameters of the largest published model are counted as they were published', () => {
  // 675 M in Peebles & Xie 2022, table 4; to the digit as PyTorch counts them.
  const model = assembleModel({ path: 'x', files: [shapesOnly(ditPreset('DiT-XL/2'))] });
  expect(model.config.numHeads).toBe(16);
  expect(parameterCount(model.config)).toBe(675_129_632);
});
