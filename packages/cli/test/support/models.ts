import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type TensorToWrite, writeSafetensors } from '@vq4dit/checkpoint';
import { RandomStream } from '@vq4dit/core';
import { type DiTConfig, ditConfigToJson, expectedTensors } from '@vq4dit/dit';
import { afterAll } from 'vitest';

/** Another package's test data: the tiny model of 4 channels in all its forms. */
export function tiny(
  name: 'dit-tiny.pt' | 'dit-tiny.safetensors' | 'dit-tiny-train-checkpoint.pt',
) {
  return fileURLToPath(new URL(`../../../checkpoint/test/fixtures/${name}`, import.meta.url));
}

/** The tiny model with the arguments that it was made with. */
export const TINY = tiny('dit-tiny-train-checkpoint.pt');

/** Another package's test data: a small image decoder for 4-channel latents. */
export const VAE = fileURLToPath(
  new URL('../../../vae/test/fixtures/vae-tiny.compvis.safetensors', import.meta.url),
);

/** A DiT that draws grey pictures of 8 x 8, four classes. */
export const PICTURE_CONFIG: DiTConfig = {
  inputSize: 8,
  patchSize: 2,
  inChannels: 1,
  hiddenSize: 16,
  depth: 2,
  numHeads: 2,
  mlpRatio: 4,
  classDropoutProb: 0.1,
  numClasses: 4,
  learnSigma: true,
};

export const CLASS_NAMES = ['Bag', 'Coat', 'Dress', 'Ankle boot'];

/** A folder that is removed after the tests of the file. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vq4dit-cli-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Random weights of the size that training gives them, so that outputs stay near 1. */
export function randomTensors(config: DiTConfig, seed = 1): TensorToWrite[] {
  return [...expectedTensors(config)].map(([name, shape]) => {
    const random = new RandomStream(seed, 'weights', name);
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    const scale = 1.7 / Math.sqrt(shape.at(-1)!); // uniform in +-1 has a deviation of 0.58
    for (let i = 0; i < values.length; i++) values[i] = scale * (2 * random.uniform() - 1);
    return { name, dtype: 'F32', shape, data: () => new Uint8Array(values.buffer) };
  });
}

/** Writes a folder with model.safetensors and config.json, as `openModel` takes it. */
export async function writeModel(
  folder: string,
  config: DiTConfig = PICTURE_CONFIG,
  { seed = 1, tensors = randomTensors(config, seed) } = {},
): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeSafetensors(join(folder, 'model.safetensors'), tensors, {});
  const names = config.numClasses === CLASS_NAMES.length ? CLASS_NAMES : undefined;
  await writeFile(join(folder, 'config.json'), JSON.stringify(ditConfigToJson(config, names)));
  return folder;
}

/** Every file of a folder, by name. */
export async function contents(folder: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const name of (await readdir(folder)).sort()) {
    files.set(name, await readFile(join(folder, name)));
  }
  return files;
}

/** Whether two folders hold the same files with the same bytes. */
export async function sameFolders(a: string, b: string): Promise<boolean> {
  const [left, right] = [await contents(a), await contents(b)];
  if ([...left.keys()].join() !== [...right.keys()].join()) return false;
  return [...left].every(([name, bytes]) => bytes.equals(right.get(name)!));
}
