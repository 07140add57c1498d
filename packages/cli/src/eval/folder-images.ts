import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileFormatError, InputError } from '@vq4dit/core';
import { type ByteImages, checkRange, type ImageSource } from '@vq4dit/evaluation';
import { decode } from 'fast-png';

/** The PNG files of a folder in the order of their names; none where it is no folder. */
export async function pngFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => name.toLowerCase().endsWith('.png')).sort();
}

/** The PNG images of a folder, all of one size, read when they are asked for. */
export async function folderImages(folder: string): Promise<ImageSource> {
  const files = await pngFiles(folder);
  if (files.length === 0) {
    throw new InputError(`${folder}: there are no PNG files in it.`);
  }
  const { height, width, channels } = await readPng(join(folder, files[0]!));
  return {
    name: folder,
    count: files.length,
    async *batches(from, to, size) {
      checkRange(folder, to, files.length);
      for (let first = from; first < to; first += size) {
        const count = Math.min(size, to - first);
        const image = height * width * channels;
        const values = new Uint8Array(count * image);
        for (let i = 0; i < count; i++) {
          const path = join(folder, files[first + i]!);
          const png = await readPng(path);
          if (png.height !== height || png.width !== width || png.channels !== channels) {
            throw new FileFormatError(
              `${path}: this image is ${sizeOf(png)}, but ${files[0]} is ${sizeOf({ height, width, channels })}; all images must have one size.`,
            );
          }
          values.set(png.values, i * image);
        }
        yield { count, height, width, channels, values };
      }
    },
  };
}

type PngSize = Pick<ByteImages, 'height' | 'width' | 'channels'>;
const sizeOf = ({ height, width, channels }: PngSize) => `${width}x${height}x${channels}`;

/** One image; a palette is looked up, and an alpha channel must be opaque. */
async function readPng(path: string): Promise<ByteImages> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`${path}: this file cannot be read (${error.code ?? error.message}).`);
  });
  let png: ReturnType<typeof decode>;
  try {
    png = decode(bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new FileFormatError(`${path}: this is not a readable PNG file (${reason}).`, {
      cause: error,
    });
  }
  const { width, height, depth, palette } = png;
  if (depth !== 8) throw new FileFormatError(`${path}: images of ${depth} bits are not supported.`);
  const colours = palette ?? undefined;
  const channels = colours ? 3 : png.channels < 3 ? 1 : 3;
  const stored = colours ? 1 : png.channels;
  const values = new Uint8Array(width * height * channels);
  for (let p = 0; p < width * height; p++) {
    const source = colours
      ? colours[png.data[p]!]!
      : png.data.subarray(p * stored, (p + 1) * stored);
    const alpha = !colours && (stored === 2 || stored === 4) ? source[stored - 1]! : 255;
    if (alpha !== 255) {
      throw new FileFormatError(`${path}: the image is transparent; flatten it first.`);
    }
    for (let c = 0; c < channels; c++) values[p * channels + c] = source[c]!;
  }
  return { count: 1, height, width, channels, values };
}
