import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ModelFile, openModel, type VaeFile } from '@vq4dit/checkpoint';
import { InputError } from '@vq4dit/core';
import { type ImageSource, npzImages, openNpz } from '@vq4dit/evaluation';
import { isLatent } from '../sample/defaults.ts';
import { openImageDecoder } from '../sample/image-decoder.ts';
import { folderImages, pngFiles } from './folder-images.ts';

/** Images that lie in files. */
export interface ImageFiles {
  readonly kind: 'images';
  readonly path: string;
  readonly source: ImageSource;
  /** What tells these images from others. */
  readonly identity: unknown;
  close(): Promise<void>;
}

/** A model that draws images. */
export interface Drawer {
  readonly kind: 'model';
  readonly path: string;
  readonly model: ModelFile;
  readonly vae: VaeFile | undefined;
  readonly identity: unknown;
  close(): Promise<void>;
}

/** Opens what is to be evaluated: an .npz file, a folder of PNG files, or a model. */
export async function openTarget(
  path: string,
  flags: { config?: string; vae?: string },
): Promise<ImageFiles | Drawer> {
  return (await openImages(path)) ?? (await openDrawer(path, flags));
}

/** Images in an .npz file or a folder of PNG files; undefined where the path is neither. */
export async function openImages(path: string): Promise<ImageFiles | undefined> {
  if (path.endsWith('.npz')) {
    const file = await openNpz(path);
    const close = async () => file.close();
    try {
      const identity = { npz: await fileSha256(path) };
      return { kind: 'images', path, source: await npzImages(file), identity, close };
    } catch (error) {
      file.close();
      throw error;
    }
  }
  const files = await pngFiles(path);
  // A model's folder may hold a picture of its samples.
  if (files.length === 0 || (await isModelFolder(path))) return undefined;
  const source = await folderImages(path);
  return { kind: 'images', path, source, identity: await folderIdentity(path, files), close };
  async function close() {}
}

async function isModelFolder(path: string): Promise<boolean> {
  return (await stat(join(path, 'config.json')).catch(() => undefined))?.isFile() ?? false;
}

async function openDrawer(
  path: string,
  { config, vae: vaePath }: { config?: string; vae?: string },
): Promise<Drawer> {
  const model = await openModel(path, config ? { configPath: config } : {});
  let vae: VaeFile | undefined;
  try {
    if (isLatent(model.config)) {
      vae = await openImageDecoder(vaePath, path, model.config.inChannels);
    }
    const decoder = vae && (await Promise.all(vae.files.map(fileSha256)));
    const identity = { model: await model.sha256(), ...(decoder && { decoder }) };
    const close = async () => {
      await model.close();
      await vae?.close();
    };
    return { kind: 'model', path, model, vae, identity, close };
  } catch (error) {
    await model.close();
    await vae?.close();
    throw error;
  }
}

/** SHA-256 of a file, in hexadecimal. */
export async function fileSha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new InputError(`${path}: this file cannot be read (${code ?? message}).`);
  }
  return hash.digest('hex');
}

/** Names, sizes and times of the files: cheap, and another set of images has others. */
async function folderIdentity(folder: string, files: readonly string[]): Promise<unknown> {
  const hash = createHash('sha256');
  for (const file of files) {
    const { size, mtimeMs } = await stat(join(folder, file));
    hash.update(`${file}\0${size}\0${mtimeMs}\n`);
  }
  return { folder: hash.digest('hex') };
}
