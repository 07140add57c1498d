import { access } from 'node:fs/promises';
import { openSafetensors, writeSafetensors } from '@vq4dit/checkpoint';
import { ArgumentError, FileFormatError, type Shape, sameShape } from '@vq4dit/core';
import { type DiTConfig, expectedTensors } from '@vq4dit/dit';
import { PARTS, type Part, type TrainerState } from './trainer.ts';

/** A training between two steps. */
export interface SavedTraining {
  /** Steps that are done. */
  readonly step: number;
  readonly state: TrainerState;
}

/** Writes a training's state, whole or not at all: a run that is killed resumes from the last one. */
export async function saveTraining(
  path: string,
  identity: string,
  config: DiTConfig,
  { step, state }: SavedTraining,
): Promise<void> {
  const tensors = [...expectedTensors(config)].flatMap(([name, shape]) =>
    PARTS.map((part) => ({
      name: `${part}.${name}`,
      dtype: 'F32' as const,
      shape: [...shape],
      data: () => bytesOf(state.get(name)![part]),
    })),
  );
  await writeSafetensors(path, tensors, { format: 'train-demo', identity, step: String(step) });
}

/**
 * Reads a state that {@link saveTraining} has written; undefined where there is none yet.
 *
 * @param identity what must be the same as when it was written
 * @throws ArgumentError where it belongs to a training with other settings
 * @throws FileFormatError where it is no such state
 */
export async function loadTraining(
  path: string,
  identity: string,
  config: DiTConfig,
): Promise<SavedTraining | undefined> {
  const there = await access(path).then(
    () => true,
    () => false,
  );
  if (!there) return undefined;
  const file = await openSafetensors(path);
  try {
    const { metadata } = file;
    const step = Number(metadata.step);
    if (metadata.format !== 'train-demo' || !Number.isSafeInteger(step) || step < 0) {
      throw new FileFormatError(`${path}: this is no state of a training.`);
    }
    if (metadata.identity !== identity) {
      throw new ArgumentError(
        `${path} belongs to a training with other settings, data or backend (${differences(metadata.identity ?? '{}', identity)}); give the same ones to go on with it, or another --out.`,
      );
    }
    const state = new Map<string, Record<Part, Float32Array>>();
    const read = async (part: Part, name: string, shape: Shape) => {
      const key = `${part}.${name}`;
      if (!sameShape(file.entry(key).shape, shape)) {
        throw new FileFormatError(`${path}: tensor ${key} is of another shape than the model's.`);
      }
      return file.readFloat32(key);
    };
    for (const [name, shape] of expectedTensors(config)) {
      state.set(name, {
        value: await read('value', name, shape),
        mean: await read('mean', name, shape),
        square: await read('square', name, shape),
        ema: await read('ema', name, shape),
      });
    }
    return { step, state };
  } finally {
    await file.close();
  }
}

/** Names of the settings in which two identities differ. */
function differences(before: string, now: string): string {
  const [a, b] = [before, now].map((text) => JSON.parse(text) as Record<string, unknown>);
  const keys = new Set([...Object.keys(a!), ...Object.keys(b!)]);
  return [...keys]
    .filter((key) => JSON.stringify(a![key]) !== JSON.stringify(b![key]))
    .map((key) => `${key}: ${JSON.stringify(a![key])}, now ${JSON.stringify(b![key])}`)
    .join('; ');
}

/** The bytes of an array, little-endian as everywhere that WebAssembly runs. */
export function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
