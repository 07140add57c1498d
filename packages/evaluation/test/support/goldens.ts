import { readFileSync } from 'node:fs';
import { memorySource, openSafetensors } from '@vq4dit/checkpoint';

/** Where the recorded files are. */
export const golden = (file: string) => new URL(`../goldens/${file}`, import.meta.url);

/** A safetensors file beside `make.py`. */
export function openGolden(file: string) {
  return openSafetensors(memorySource(readFileSync(golden(file)), file));
}
