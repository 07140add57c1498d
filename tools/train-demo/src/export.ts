import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TensorToWrite, writeFileAtomic, writeSafetensors } from '@vq4dit/checkpoint';
import { DEMO_CLASS_NAMES } from '@vq4dit/demo-model';
import { type DiTConfig, ditConfigToJson, expectedTensors } from '@vq4dit/dit';
import { bytesOf } from './state-file.ts';
import type { TrainerState } from './trainer.ts';

/** Names of what {@link exportModel} writes. */
export const MODEL_FILE = 'dit-fashion.safetensors';
export const CONFIG_FILE = 'config.json';

/**
 * Writes the averaged weights under the names of the original checkpoints, and `config.json`, as a
 * folder that every command of this project opens as a model.
 */
export async function exportModel(
  folder: string,
  config: DiTConfig,
  state: TrainerState,
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const tensors = [...expectedTensors(config)].map(
    ([name, shape]): TensorToWrite => ({
      name,
      dtype: 'F32',
      shape: [...shape],
      data: () => bytesOf(state.get(name)!.ema),
    }),
  );
  await writeSafetensors(join(folder, MODEL_FILE), tensors, { format: 'pt', ...metadata });
  const names = config.numClasses === DEMO_CLASS_NAMES.length ? DEMO_CLASS_NAMES : undefined;
  const json = `${JSON.stringify(ditConfigToJson(config, names), null, 1)}\n`;
  await writeFileAtomic(join(folder, CONFIG_FILE), [new TextEncoder().encode(json)]);
}
