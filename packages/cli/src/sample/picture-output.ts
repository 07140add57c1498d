import { writeSafetensors } from '@vq4dit/checkpoint';
import { ArgumentError } from '@vq4dit/core';
import type { Command } from 'commander';
import { checkNoInput, checkOutputFile, checkOutputFolder } from '../output.ts';
import { integer } from '../terminal/parse.ts';
import type { ImageBatch } from './grid.ts';
import { imageFiles, namedTensors, writeFiles, writeGrid } from './write-images.ts';

/** Options of every command that draws pictures. */
export interface PictureFlags {
  out?: string;
  images?: string;
  scale?: number;
  vae?: string;
  tile?: number;
}

/** Adds them to a command. */
export function pictureOptions(command: Command): Command {
  return command
    .option('--out <file>', 'a .png grid, or .safetensors for the raw values [N, C, H, W]')
    .option('--images <folder>', 'every image as a PNG file of its own')
    .option('--scale <n>', 'enlarge pixels (default: 1, or 3 for small pictures)', integer(1, 64))
    .option('--vae <path>', 'image decoder for latents: a file or a folder, e.g. sd-vae-ft-mse')
    .option(
      '--tile <n>',
      'decode latents larger than n x n in tiles: less memory, slightly other images (default: 64)',
      integer(8),
    );
}

/** What pictures are of. */
export interface Pictured {
  readonly models: readonly string[];
  /** Of each image. */
  readonly labels: readonly number[];
  readonly classes: readonly (string | null)[];
  /** How many images of each label stand together. */
  readonly perLabel: number;
}

/**
 * Checks the outputs before the work.
 *
 * @param inputs files that are read and must not be replaced
 * @throws ArgumentError, OutputError
 */
export async function checkPictureOutput(
  { out, images }: PictureFlags,
  { models, labels, classes }: Pictured,
  inputs: readonly string[],
): Promise<void> {
  if (out !== undefined) {
    if (!/\.(png|safetensors)$/.test(out)) {
      throw new ArgumentError(`--out ${out}: the name must end in .png or .safetensors.`);
    }
    await checkOutputFile(out, inputs);
  }
  if (images === undefined) return;
  await checkNoInput(images, inputs);
  await checkOutputFolder(images, imageFiles(models.length, labels, classes), inputs);
}

/** Writes what the options ask for; each output whole or not at all. */
export async function writePictures(
  { out, images: folder, scale: asked }: PictureFlags,
  rows: readonly ImageBatch[],
  { models, labels, classes, perLabel }: Pictured,
  usualScale: number,
): Promise<void> {
  const scale = asked ?? usualScale;
  if (out?.endsWith('.png')) await writeGrid(out, rows, perLabel, scale);
  else if (out !== undefined) {
    const metadata = { models: JSON.stringify(models) };
    await writeSafetensors(out, namedTensors('samples', rows), metadata);
  }
  if (folder === undefined) return;
  await writeFiles(folder, rows, imageFiles(models.length, labels, classes), scale);
}

/** Which row is which model, and what the labels are called. */
export function legend({ models, labels, classes }: Pictured): string[] {
  const names = labels.map((label, i) => `${label}${classes[i] ? ` ${classes[i]}` : ''}`);
  const drawn = `Labels: ${[...new Set(names)].join(', ')}.`;
  if (models.length === 1) return [drawn];
  return ['Rows, from the top:', ...models.map((path, i) => `  ${i + 1}. ${path}`), drawn];
}
