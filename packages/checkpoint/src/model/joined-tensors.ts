import { FileFormatError, ModelError } from '@vq4dit/core';
import { quote } from '../io/describe.ts';
import type { TensorFile } from '../tensor/tensor-file.ts';
import type { ModelTensors } from './model-file.ts';

/**
 * Several files of tensors as one, for a model that is stored in shards. Closing it closes them.
 *
 * @throws FileFormatError where two files hold a tensor of the same name
 */
export function joinTensors(name: string, files: readonly TensorFile[]): ModelTensors {
  const owner = new Map<string, TensorFile>();
  for (const file of files) {
    for (const tensor of file.names()) {
      const other = owner.get(tensor);
      if (other) {
        throw new FileFormatError(
          `${file.name}: tensor ${quote(tensor)} is in ${other.name} as well.`,
        );
      }
      owner.set(tensor, file);
    }
  }
  const find = (tensor: string): TensorFile => {
    const file = owner.get(tensor);
    if (!file) throw new ModelError(`${name}: no tensor ${quote(tensor)}.`);
    return file;
  };
  return {
    name,
    names: () => [...owner.keys()],
    has: (tensor) => owner.has(tensor),
    entry: (tensor) => find(tensor).entry(tensor),
    read: async (tensor) => find(tensor).read(tensor),
    readFloat32: async (tensor) => find(tensor).readFloat32(tensor),
    async close() {
      for (const file of files) await file.close();
    },
  };
}
