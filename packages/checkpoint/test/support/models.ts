import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RandomStream, VqWeight } from '@vq4dit/core';
import { type DiTConfig, expectedTensors } from '@vq4dit/dit';
import { afterAll } from 'vitest';
import {
  type ArtefactJob,
  encodeSafetensors,
  type JsonValue,
  type ModelFile,
  openModel,
  openSafetensors,
  type TensorFile,
  type TensorToWrite,
  writeArtefact,
} from '../../src/index.ts';
import { fixture } from './sources.ts';

/** The arguments of the model in the fixtures. */
export const TINY_CONFIG = {
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
};

/** The same as the original constructor takes them. */
export const TINY_JSON = {
  input_size: 8,
  patch_size: 2,
  in_channels: 4,
  hidden_size: 32,
  depth: 2,
  num_heads: 4,
  mlp_ratio: 4,
  class_dropout_prob: 0.1,
  num_classes: 10,
  learn_sigma: true,
};

/** A folder that is removed after the tests of the file. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vq4dit-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function writeJson(path: string, value: unknown): Promise<string> {
  await writeFile(path, JSON.stringify(value));
  return path;
}

/** Every tensor of the tiny model, under names of choice. */
export async function tinyTensors(): Promise<TensorToWrite[]> {
  const file = await openSafetensors(fixture('dit-tiny.safetensors'));
  const tensors: TensorToWrite[] = [];
  for (const name of file.names()) {
    const { dtype, shape, data } = await file.read(name);
    tensors.push({ name, dtype, shape, data: () => data });
  }
  await file.close();
  return tensors;
}

export function openTiny(): Promise<ModelFile> {
  return openModel(fixture('dit-tiny-train-checkpoint.pt'));
}

/** Some layer with random codes and codewords; quick, and every bit of the codes is used. */
export function randomLayer(
  name: string,
  rows: number,
  columns: number,
  { groups = 1, k = 256, d = 4, seed = 1 } = {},
): VqWeight {
  const random = new RandomStream(seed, 'layer', name);
  const codes = new Uint16Array((rows * columns) / d);
  for (let i = 0; i < codes.length; i++) codes[i] = Math.floor(random.uniform() * k);
  const codebook = new Float32Array(groups * k * d);
  for (let i = 0; i < codebook.length; i++) codebook[i] = random.uniform() - 0.5;
  return new VqWeight({ name, rows, columns, groups, k, d, codebook, codes });
}

/** Layers with codes of 8, 6, 1 and 10 bits, one of them with three codebooks. */
export const TINY_LAYERS = [
  randomLayer('blocks.0.attn.qkv', 96, 32, { groups: 3 }),
  randomLayer('blocks.0.mlp.fc1', 128, 32, { k: 50, d: 2 }),
  randomLayer('blocks.1.attn.proj', 32, 32, { k: 1, d: 32 }),
  randomLayer('blocks.1.mlp.fc2', 32, 128, { k: 1000 }),
];

export function tinyJob(model: ModelFile, more: Partial<ArtefactJob> = {}): ArtefactJob {
  return {
    model,
    layers: TINY_LAYERS.map((weight) => ({ name: weight.name, load: async () => weight })),
    codewords: 256,
    subvector: 4,
    method: 'vq4dit',
    seed: 7,
    candidates: 2,
    ...more,
  };
}

export async function writeTinyArtefact(path: string, more: Partial<ArtefactJob> = {}) {
  const model = await openTiny();
  try {
    return await writeArtefact(path, tinyJob(model, more));
  } finally {
    await model.close();
  }
}

/** What an artefact's files hold, to be changed. */
export interface EditableArtefact {
  tensors: TensorToWrite[];
  metadata: Record<string, string>;
  config: Record<string, unknown>;
  quantization: Record<string, unknown>;
  layers: Record<string, Record<string, unknown>>;
}

/** Reads an artefact, lets `edit` change it, and writes it to another folder. */
export async function editArtefact(
  from: string,
  to: string,
  edit: (artefact: EditableArtefact) => void,
): Promise<string> {
  const file = await openSafetensors(join(from, 'model.safetensors'));
  const tensors: TensorToWrite[] = [];
  for (const name of file.names()) {
    const { dtype, shape, data } = await file.read(name);
    tensors.push({ name, dtype, shape, data: () => data });
  }
  const config = JSON.parse(await readFile(join(from, 'config.json'), 'utf8'));
  const artefact: EditableArtefact = {
    tensors,
    metadata: { ...file.metadata },
    config,
    quantization: config.quantization_config,
    layers: JSON.parse(file.metadata.layers ?? '{}'),
  };
  await file.close();
  const table = JSON.stringify(artefact.layers);
  edit(artefact);
  if (JSON.stringify(artefact.layers) !== table) {
    artefact.metadata.layers = JSON.stringify(artefact.layers);
  }
  const bytes = await encodeSafetensors(artefact.tensors, artefact.metadata);
  await writeFile(join(to, 'model.safetensors'), bytes);
  await writeJson(join(to, 'config.json'), artefact.config);
  return to;
}

/** A file that knows the names and shapes of a model's tensors and has no data. */
export function shapesOnly(config: DiTConfig, args?: JsonValue): TensorFile {
  const shapes = expectedTensors(config);
  const none = async () => {
    throw new Error('this file has no data');
  };
  return {
    name: 'shapes.pt',
    metadata: {},
    names: () => [...shapes.keys()],
    has: (name) => shapes.has(name),
    entry: (name) => ({ name, dtype: 'F32', shape: shapes.get(name) ?? [], byteLength: 0 }),
    read: none,
    readFloat32: none,
    readFloat32Range: none,
    readInt32: none,
    close: async () => {},
    ...(args !== undefined && { args: () => args }),
  };
}
