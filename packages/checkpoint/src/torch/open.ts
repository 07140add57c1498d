import { ModelError } from '@vq4dit/core';
import type { ByteSource } from '../io/byte-source.ts';
import { quote } from '../io/describe.ts';
import { openFileSource } from '../io/file-source.ts';
import { countElements, STORAGE_DTYPE_BYTES } from '../tensor/storage-dtype.ts';
import { type TensorEntry, type TensorFile, typedReads } from '../tensor/tensor-file.ts';
import { type CheckpointArchive, openCheckpointArchive } from './checkpoint-archive.ts';
import type { PickleValue, TorchTensor } from './pickle-value.ts';
import { type JsonValue, toPlainJson } from './plain-json.ts';
import { field, findStateDict, type StateDictKey } from './state-dict.ts';
import { readStrided } from './strides.ts';

/** An open PyTorch checkpoint; as a {@link TensorFile} it gives the tensors of its state dict. */
export interface TorchCheckpoint extends TensorFile {
  /** Everything that was saved, as plain data. */
  readonly root: PickleValue;
  /** Where the state dict was found: `ema`, `model`, `state_dict`, or undefined for the root. */
  readonly stateDictKey: StateDictKey | undefined;
  /**
   * The `args` that training scripts save with the weights (a dict or an `argparse.Namespace`), as
   * plain JSON data; undefined where there are none.
   * @throws FileFormatError where they are too deep or too large to be arguments
   */
  args(): JsonValue | undefined;
}

/** Options of {@link openTorchCheckpoint}. */
export interface TorchCheckpointOptions {
  /**
   * Takes the weights under this key and no others. By default the averaged ones (`ema`) are
   * taken, else those under `model`, else under `state_dict`, else at the root.
   */
  readonly stateDict?: StateDictKey;
}

/**
 * Opens a checkpoint that `torch.save` wrote (PyTorch 1.6 or later). Its pickle is read by a
 * machine that knows a short list of names and builds plain data; nothing in the file is executed.
 * Tensors are read on demand, range by range. The source is closed with the checkpoint, and when
 * opening fails.
 *
 * @throws FileFormatError for a file that is malformed, or holds anything but plain data and tensors
 * @throws InputError where the file cannot be read
 */
export async function openTorchCheckpoint(
  from: ByteSource | string,
  options: TorchCheckpointOptions = {},
): Promise<TorchCheckpoint> {
  const source = typeof from === 'string' ? await openFileSource(from) : from;
  try {
    return view(source, await openCheckpointArchive(source), options.stateDict);
  } catch (error) {
    await source.close();
    throw error;
  }
}

function view(
  source: ByteSource,
  archive: CheckpointArchive,
  only: StateDictKey | undefined,
): TorchCheckpoint {
  const { root } = archive;
  const { key, tensors } = findStateDict(root, source.name, only);
  const tensor = (name: string): TorchTensor => {
    const found = tensors.get(name);
    if (found === undefined) throw new ModelError(`${source.name}: no tensor ${quote(name)}.`);
    return found;
  };
  const entry = (name: string): TensorEntry => {
    const { storage, shape } = tensor(name);
    const byteLength = (countElements(shape) ?? 0) * STORAGE_DTYPE_BYTES[storage.dtype];
    return { name, dtype: storage.dtype, shape, byteLength };
  };
  const reads = typedReads({ name: source.name, entry }, (name, start, count) => {
    const { storage } = tensor(name);
    return readStrided(tensor(name), start, count, (first, length) =>
      archive.readStorage(storage, first, length),
    );
  });
  return {
    name: source.name,
    metadata: {},
    root,
    stateDictKey: key,
    args() {
      const args = field(root, 'args');
      return args === undefined ? undefined : toPlainJson(args, `${source.name}: args`);
    },
    names: () => [...tensors.keys()],
    has: (name) => tensors.has(name),
    entry,
    ...reads,
    close: () => source.close(),
  };
}
