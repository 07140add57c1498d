import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError } from '@vq4dit/core';
import { joinTensors } from '../model/joined-tensors.ts';
import { type JsonObject, readJsonObject } from '../model/json-file.ts';
import { locateModel } from '../model/locate.ts';
import type { ModelTensors } from '../model/model-file.ts';
import { openTensorFile } from '../tensor/open.ts';
import type { TensorFile } from '../tensor/tensor-file.ts';

/** The files of an image autoencoder, open: its tensors under the names that the files use. */
export interface VaeFile extends ModelTensors {
  /** The path that was opened. */
  readonly path: string;
  /** The files that hold the tensors. */
  readonly files: readonly string[];
  /** What its latents are multiplied by, where a config says so. */
  readonly scalingFactor: number | undefined;
  /** Groups of its group normalizations, where a config says so. */
  readonly normGroups: number | undefined;
}

/**
 * Opens an image autoencoder: a safetensors file or PyTorch checkpoint, or a folder as Hugging Face
 * lays them out, also that of a whole diffusers pipeline (its `vae`). What the tensors mean is not
 * looked at here.
 *
 * @throws InputError where something cannot be read
 * @throws FileFormatError where a file is malformed
 * @throws ModelError where the config asks for something that no decoder here computes
 */
export async function openVae(path: string): Promise<VaeFile> {
  const location = await locateModel((await pipelineVae(path)) ?? path);
  const config = location.config ? await readJsonObject(location.config) : {};
  const known = parseVaeConfig(config, location.config ?? path);
  const files: TensorFile[] = [];
  try {
    for (const file of location.files) files.push(await openTensorFile(file));
    const name = files.length === 1 ? files[0]!.name : path;
    const tensors = joinTensors(name, files);
    return { ...tensors, ...known, path, files: files.map((file) => file.name) };
  } catch (error) {
    for (const file of files) await file.close();
    throw error;
  }
}

/** The folder of the autoencoder in the folder of a diffusers pipeline; undefined for any other path. */
export async function pipelineVae(path: string): Promise<string | undefined> {
  const folder = join(path, 'vae');
  const stats = await stat(folder).catch(() => undefined);
  return stats?.isDirectory() ? folder : undefined;
}

function parseVaeConfig(
  json: JsonObject,
  where: string,
): Pick<VaeFile, 'scalingFactor' | 'normGroups'> {
  const positive = (key: string): number | undefined => {
    const value = json[key] ?? undefined;
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !(value > 0 && Number.isFinite(value))) {
      throw new ModelError(`${where}: ${key} must be above 0, not ${JSON.stringify(value)}.`);
    }
    return value;
  };
  if ((json.shift_factor ?? 0) !== 0) {
    throw new ModelError(
      `${where}: latents with a shift_factor (${JSON.stringify(json.shift_factor)}) are not supported; a DiT needs the autoencoder that it was trained with.`,
    );
  }
  return { scalingFactor: positive('scaling_factor'), normGroups: positive('norm_num_groups') };
}
