import { FileFormatError, ModelError } from '@vq4dit/core';
import { quote } from '../io/describe.ts';
import type { TensorEntry } from '../tensor/tensor-file.ts';
import { matchDiffusersNames } from './diffusers-names.ts';
import type { ModelTensors } from './model-file.ts';

/** The tensors of a diffusers file under their original names, and the names of those left over. */
export interface FacebookView {
  readonly tensors: ModelTensors;
  /** Names in the file that the model has no use for. */
  readonly extra: readonly string[];
}

/**
 * Shows a file with the names of diffusers as if it had the original ones.
 *
 * @throws FileFormatError where parts of one tensor differ in dtype or do not fit together
 */
export function facebookView(file: ModelTensors): FacebookView {
  const { parts, extra } = matchDiffusersNames(file.names());
  const entries = new Map<string, TensorEntry>();
  for (const [name, from] of parts) entries.set(name, joinedEntry(file, name, from));
  const partsOf = (name: string): readonly string[] => {
    const found = parts.get(name);
    if (!found) throw new ModelError(`${file.name}: no tensor ${quote(name)}.`);
    return found;
  };
  const tensors: ModelTensors = {
    name: file.name,
    names: () => [...parts.keys()],
    has: (name) => parts.has(name),
    entry(name) {
      partsOf(name);
      return entries.get(name)!;
    },
    async read(name) {
      const { dtype, shape, byteLength } = tensors.entry(name);
      const data = new Uint8Array(byteLength);
      let at = 0;
      for (const part of partsOf(name)) {
        const bytes = (await file.read(part)).data;
        data.set(bytes, at);
        at += bytes.byteLength;
      }
      return { dtype, shape, data };
    },
    async readFloat32(name) {
      const names = partsOf(name);
      if (names.length === 1) return file.readFloat32(names[0]!);
      const values: Float32Array[] = [];
      for (const part of names) values.push(await file.readFloat32(part));
      const joined = new Float32Array(values.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of values) {
        joined.set(part, at);
        at += part.length;
      }
      return joined;
    },
    close: () => file.close(),
  };
  return { tensors, extra };
}

function joinedEntry(file: ModelTensors, name: string, parts: readonly string[]): TensorEntry {
  const [first, ...rest] = parts.map((part) => file.entry(part));
  let rows = first!.shape[0] ?? 0;
  let byteLength = first!.byteLength;
  for (const entry of rest) {
    const sameRows = entry.shape.slice(1).join() === first!.shape.slice(1).join();
    if (entry.dtype !== first!.dtype || entry.shape.length === 0 || !sameRows) {
      throw new FileFormatError(
        `${file.name}: tensors ${first!.name} (${first!.dtype} [${first!.shape}]) and ${entry.name} (${entry.dtype} [${entry.shape}]) do not fit together as ${name}.`,
      );
    }
    rows += entry.shape[0]!;
    byteLength += entry.byteLength;
  }
  const shape = rest.length === 0 ? first!.shape : [rows, ...first!.shape.slice(1)];
  return { name, dtype: first!.dtype, shape, byteLength };
}
