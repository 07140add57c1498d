import { FileFormatError } from '@vq4dit/core';
import type { ByteSource } from '../io/byte-source.ts';
import { quote } from '../io/describe.ts';
import { swapBytes } from '../io/endian.ts';
import { STORAGE_DTYPE_BYTES } from '../tensor/storage-dtype.ts';
import { allowedGlobals } from './globals.ts';
import { type PickleGlobal, PickleTuple, type PickleValue, TorchStorage } from './pickle-value.ts';
import { unpickle } from './unpickle.ts';
import { openStoredArchive, type StoredArchive } from './zip-archive.ts';

/** Largest `data.pkl` that is read; it takes about 150 bytes for each tensor. */
const MAX_PICKLE_BYTES = 16 * 1024 * 1024;

/** A PyTorch archive: the object in its pickle, and access to its storages. */
export interface CheckpointArchive {
  readonly root: PickleValue;
  /** Little-endian bytes of `count` elements of a storage. */
  readStorage(storage: TorchStorage, start: number, count: number): Promise<Uint8Array>;
}

/** Opens the archive that `torch.save` writes: `<name>/data.pkl`, `<name>/data/<key>`, ... */
export async function openCheckpointArchive(source: ByteSource): Promise<CheckpointArchive> {
  await refuseOtherFormats(source);
  const archive = await openStoredArchive(source);
  const prefix = findPrefix(archive, source.name);
  const swapped = await isBigEndian(archive, prefix, source.name);
  const pickleName = `${prefix}data.pkl`;
  const pickleSize = archive.sizeOf(pickleName) ?? 0;
  if (pickleSize > MAX_PICKLE_BYTES) {
    throw new FileFormatError(
      `${source.name}: data.pkl has ${pickleSize} bytes; ${MAX_PICKLE_BYTES} are allowed.`,
    );
  }
  const where = `${source.name}: data.pkl`;
  const globals = allowedGlobals(where);
  const root = unpickle(await archive.read(pickleName, 0, pickleSize), {
    where,
    findGlobal: (module, attribute): PickleGlobal | undefined =>
      globals.get(`${module}.${attribute}`),
    loadPersistent: (id) => storageOf(id, archive, prefix, source.name),
  });
  return {
    root,
    async readStorage({ key, dtype }, start, count) {
      const width = STORAGE_DTYPE_BYTES[dtype];
      const bytes = await archive.read(`${prefix}data/${key}`, start * width, count * width);
      return swapped ? swapBytes(bytes, width) : bytes;
    },
  };
}

async function refuseOtherFormats(source: ByteSource): Promise<void> {
  const start = await source.read(0, Math.min(4, source.size));
  // A zip archive begins with a record ("PK\3\4"), or is empty.
  if (start[0] === 0x50 && start[1] === 0x4b) return;
  if (start[0] === 0x80) {
    throw new FileFormatError(
      `${source.name}: this checkpoint has the format from before PyTorch 1.6; load it with torch.load(..., weights_only=True) and save it again with torch.save.`,
    );
  }
  throw new FileFormatError(
    `${source.name}: this is no PyTorch checkpoint (a zip archive is expected).`,
  );
}

/** The folder inside the archive that holds everything; `torch.save` names it after the file. */
function findPrefix(archive: StoredArchive, file: string): string {
  const pickles = archive.names().filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  const [pickle] = pickles;
  if (pickle === undefined || pickles.length > 1) {
    throw new FileFormatError(
      `${file}: the archive holds ${pickles.length} records named data.pkl, one is expected; this is no PyTorch checkpoint.`,
    );
  }
  const prefix = pickle.slice(0, -'data.pkl'.length);
  if (archive.sizeOf(`${prefix}constants.pkl`) !== undefined) {
    throw new FileFormatError(
      `${file}: this is a TorchScript program; save the state dict of the model with torch.save instead.`,
    );
  }
  return prefix;
}

/** Since PyTorch 2.1 a record says which byte order the storages have; before, it was little. */
async function isBigEndian(archive: StoredArchive, prefix: string, file: string): Promise<boolean> {
  const size = archive.sizeOf(`${prefix}byteorder`);
  if (size === undefined) return false;
  const bytes = await archive.read(`${prefix}byteorder`, 0, Math.min(size, 16));
  const order = Buffer.from(bytes).toString('latin1');
  if (order !== 'little' && order !== 'big') {
    throw new FileFormatError(`${file}: the byte order is ${quote(order)}, not little or big.`);
  }
  return order === 'big';
}

/** The storage of a persistent id `('storage', class, key, device, elements)`. */
function storageOf(
  id: PickleValue,
  archive: StoredArchive,
  prefix: string,
  file: string,
): TorchStorage {
  const fail = (problem: string): never => {
    throw new FileFormatError(`${file}: data.pkl ${problem}.`);
  };
  const [kind, type, key, , elements] = id instanceof PickleTuple ? id.items : [];
  if (kind !== 'storage' || typeof key !== 'string') return fail('refers to an unknown object');
  const dtype =
    type !== null && typeof type === 'object' && 'storageDType' in type
      ? type.storageDType
      : undefined;
  if (dtype === undefined) return fail(`gives storage ${quote(key)} no known element type`);
  if (typeof elements !== 'number' || !Number.isSafeInteger(elements) || elements < 0) {
    return fail(`gives storage ${quote(key)} an impossible number of elements`);
  }
  const stored = archive.sizeOf(`${prefix}data/${key}`);
  if (stored === undefined) return fail(`refers to storage ${quote(key)}, which is not there`);
  const needed = elements * STORAGE_DTYPE_BYTES[dtype];
  if (stored !== needed) {
    return fail(
      `declares storage ${quote(key)} as ${elements} ${dtype} elements, ${needed} bytes, but its record has ${stored}`,
    );
  }
  return new TorchStorage(key, dtype, elements);
}
