import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FileFormatError, InputError } from '@vq4dit/core';
import { CONFIG_FILE } from '../artefact/format.ts';
import { quote, systemErrorCode } from '../io/describe.ts';
import { isJsonObject, readJsonObject } from './json-file.ts';

/** The files of a model. */
export interface ModelLocation {
  /** The path that was given. */
  readonly path: string;
  /** Files with tensors; several where a model is sharded. */
  readonly files: readonly string[];
  /** The `config.json` that belongs to them, if there is one. */
  readonly config: string | undefined;
}

/** Names under which a folder holds its model, most wanted first. */
const STANDARD_NAMES = [
  'model.safetensors',
  'diffusion_pytorch_model.safetensors',
  'diffusion_pytorch_model.bin',
] as const;
const INDEX_NAMES = [
  'model.safetensors.index.json',
  'diffusion_pytorch_model.safetensors.index.json',
] as const;

/**
 * Finds the files of a model. A folder holds it under one of the standard names, or as shards with
 * an index, or as its only `.pt` file, or else as its only `.safetensors` file; a folder of a
 * diffusers pipeline holds it in `transformer/`. The folder's `config.json` belongs to a file that
 * is opened directly only where the folder would have led to the same file.
 *
 * @throws InputError where there is nothing at `path`, or no model or no single one in the folder
 */
export async function locateModel(path: string): Promise<ModelLocation> {
  const names = await listFolder(path);
  if (names !== undefined) return locateInFolder(path, path, names);
  const folder = dirname(path);
  if (path.endsWith('.safetensors.index.json')) {
    const config = (await listFolder(folder))?.includes(CONFIG_FILE);
    return {
      path,
      files: await readIndex(path),
      config: config ? join(folder, CONFIG_FILE) : undefined,
    };
  }
  return { path, files: [path], config: await configBeside(path, folder) };
}

async function configBeside(file: string, folder: string): Promise<string | undefined> {
  const names = await listFolder(folder).catch(() => undefined);
  if (!names?.includes(CONFIG_FILE)) return undefined;
  const name = basename(file);
  const own = (STANDARD_NAMES as readonly string[]).includes(name) || onlyModel(names) === name;
  return own ? join(folder, CONFIG_FILE) : undefined;
}

async function locateInFolder(
  path: string,
  folder: string,
  names: readonly string[],
): Promise<ModelLocation> {
  const config = names.includes(CONFIG_FILE) ? join(folder, CONFIG_FILE) : undefined;
  const standard = STANDARD_NAMES.find((name) => names.includes(name));
  if (standard) return { path, files: [join(folder, standard)], config };
  const index = INDEX_NAMES.find((name) => names.includes(name));
  if (index) return { path, files: await readIndex(join(folder, index)), config };
  if (names.includes('model_index.json') && names.includes('transformer')) {
    const inner = join(folder, 'transformer');
    return locateInFolder(path, inner, (await listFolder(inner)) ?? []);
  }
  const only = onlyModel(names);
  if (only) return { path, files: [join(folder, only)], config };
  const found = names.filter((name) => /\.(pt|pth|safetensors)$/.test(name));
  throw new InputError(
    found.length > 1
      ? `${folder}: the folder holds ${found.length} files that could be the model (${found.slice(0, 4).map(quote).join(', ')}${found.length > 4 ? ', ...' : ''}); give the path of one of them.`
      : `${folder}: the folder holds no model; ${STANDARD_NAMES.join(', ')} or one .pt file is expected.`,
  );
}

function onlyModel(names: readonly string[]): string | undefined {
  for (const pattern of [/\.(pt|pth)$/, /\.safetensors$/]) {
    const found = names.filter((name) => pattern.test(name));
    if (found.length > 0) return found.length === 1 ? found[0] : undefined;
  }
  return undefined;
}

/** The shards of an index, sorted by name. They lie beside it; nothing leads out of the folder. */
async function readIndex(path: string): Promise<string[]> {
  const { weight_map: map } = await readJsonObject(path);
  if (!isJsonObject(map) || Object.keys(map).length === 0) {
    throw new FileFormatError(`${path}: there is no weight_map that names the shards.`);
  }
  const shards = new Set<string>();
  for (const shard of Object.values(map)) {
    if (typeof shard !== 'string' || basename(shard) !== shard || !shard.endsWith('.safetensors')) {
      throw new FileFormatError(
        `${path}: ${quote(String(shard))} is not the name of a safetensors file beside the index.`,
      );
    }
    shards.add(shard);
  }
  return [...shards].sort().map((shard) => join(dirname(resolve(path)), shard));
}

/** The names in a folder, sorted; undefined where `path` is not a folder. */
async function listFolder(path: string): Promise<string[] | undefined> {
  try {
    if (!(await stat(path)).isDirectory()) return undefined;
    return (await readdir(path)).sort();
  } catch (error) {
    const reasons: Record<string, string> = {
      ENOENT: 'there is no such file or folder; check the path',
      EACCES: 'reading it is not permitted',
      ENOTDIR: 'a part of the path is not a folder',
    };
    const reason = reasons[systemErrorCode(error) ?? ''];
    const text = reason ?? (error instanceof Error ? error.message : String(error));
    throw new InputError(`${path}: ${text}.`, { cause: error });
  }
}
