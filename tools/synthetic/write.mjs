import { writeSafetensors } from '@vq4dit/checkpoint';
import { sizeOf } from '@vq4dit/core';
import { writeTorchFile } from './torch-file.mjs';

/** Writes tensors as `.pt` or `.safetensors` and says how many parameters they have. */
export async function writeTensors(path, tensors) {
  if (path.endsWith('.pt')) await writeTorchFile(path, tensors);
  else await writeSafetensors(path, tensors, { format: 'pt' });
  const parameters = tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  console.error(`Wrote ${path}: ${parameters} parameters.`);
}

/** Prints how to call a tool and ends the program. */
export function usage(...lines) {
  console.error(lines.join('\n'));
  process.exit(2);
}

/** A seed from the command line. */
export function seedOf(text) {
  const seed = Number(text);
  if (!Number.isSafeInteger(seed) || seed < 0) usage(`--seed must be an integer, not ${text}`);
  return seed;
}
