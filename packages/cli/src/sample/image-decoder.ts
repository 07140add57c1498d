import { openVae, pipelineVae, type VaeFile } from '@vq4dit/checkpoint';
import { ArgumentError } from '@vq4dit/core';
import { inferVaeDecoder, VaeDecoder } from '@vq4dit/vae';
import type { CommandContext } from '../context.ts';
import type { ImageBatch } from './grid.ts';

const WHAT_TO_BRING =
  'give the image decoder that the model was trained with: --vae <file or folder> (for the published models stabilityai/sd-vae-ft-ema or -mse)';

/**
 * Opens the image decoder for a model's latents and checks it, long before it is used.
 *
 * @param path what `--vae` says
 * @param model where the model is, if there is one; a pipeline's folder holds its decoder as well
 * @param channels of the latents
 * @throws ArgumentError where there is none, or one for other latents
 */
export async function openImageDecoder(
  path: string | undefined,
  model: string | undefined,
  channels: number,
): Promise<VaeFile> {
  const found = path ?? (model === undefined ? undefined : await pipelineVae(model));
  if (found === undefined) {
    const instead = model === undefined ? '' : ', or write --latents latents.safetensors instead';
    throw new ArgumentError(
      `Latents of ${channels} channels are not pictures yet; ${WHAT_TO_BRING}${instead}.`,
    );
  }
  const file = await openVae(found);
  try {
    const shapes = new Map(file.names().map((name) => [name, file.entry(name).shape]));
    const { config } = inferVaeDecoder(shapes, file.normGroups, file.name);
    if (config.latentChannels !== channels) {
      throw new ArgumentError(
        `${file.name} decodes latents of ${config.latentChannels} channels, but these have ${channels}; ${WHAT_TO_BRING}.`,
      );
    }
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Latents to pictures, with the decoder in memory only for that time. */
export async function decodeLatents(
  context: CommandContext,
  file: VaeFile,
  rows: readonly ImageBatch[],
  tileSize: number | undefined,
): Promise<ImageBatch[]> {
  const ops = await context.ops();
  const { scalingFactor, normGroups: groups } = file;
  using decoder = await VaeDecoder.load(ops, file, groups === undefined ? {} : { groups });
  const images: ImageBatch[] = [];
  const task = context.reporter.task('Decoding, percent:', 100);
  try {
    for (const [i, row] of rows.entries()) {
      const image = await decoder.decode(row, {
        signal: context.signal,
        onProgress: (done, total) =>
          task.update(Math.floor((100 * (i + done / total)) / rows.length)),
        ...(scalingFactor !== undefined && { scalingFactor }),
        ...(tileSize !== undefined && { tileSize }),
      });
      images.push(image);
    }
  } finally {
    task.end();
  }
  return images;
}
