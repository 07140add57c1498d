import { ArgumentError } from '@vq4dit/core';
import { type AtomicWriteOptions, writeFileAtomic } from '../io/atomic-file.ts';
import { quote } from '../io/describe.ts';
import {
  declaredBytes,
  encodeHeader,
  inFileOrder,
  type TensorDeclaration,
} from './encode-header.ts';

/** Bytes of a tensor: all at once or in pieces of any size, little-endian, row-major. */
export type TensorBytes = Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** One tensor to write. */
export interface TensorToWrite extends TensorDeclaration {
  /** Called once, when it is this tensor's turn, so that one tensor at a time is in memory. */
  readonly data: () => TensorBytes | Promise<TensorBytes>;
}

/**
 * Writes a safetensors file, atomically and in bounded memory.
 *
 * Tensors are placed as the format's own implementation places them: wide element types first, so
 * that every tensor is aligned, then by name (as UTF-8 bytes). Metadata keys are sorted. So equal
 * content gives equal bytes, whatever the order of the arguments.
 *
 * @throws ArgumentError for illegal names, shapes or dtypes, or data of another size than declared
 * @throws OutputError where the file cannot be written
 * @throws InterruptedError where the signal is aborted
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = {},
  options: AtomicWriteOptions = {},
): Promise<void> {
  const ordered = inFileOrder(tensors);
  await writeFileAtomic(path, chunks(encodeHeader(ordered, metadata), ordered), options);
}

/** The bytes that {@link writeSafetensors} would write, in memory. */
export async function encodeSafetensors(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<Uint8Array> {
  const ordered = inFileOrder(tensors);
  const parts: Uint8Array[] = [];
  for await (const part of chunks(encodeHeader(ordered, metadata), ordered)) parts.push(part);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

async function* chunks(
  header: Uint8Array,
  ordered: readonly TensorToWrite[],
): AsyncGenerator<Uint8Array> {
  yield header;
  for (const tensor of ordered) {
    const declared = declaredBytes(tensor);
    let given = 0;
    const data = await tensor.data();
    for await (const part of data instanceof Uint8Array ? [data] : data) {
      given += part.byteLength;
      if (given > declared) break;
      yield part;
    }
    if (given !== declared) {
      const more = given > declared ? 'at least ' : '';
      throw new ArgumentError(
        `Tensor ${quote(tensor.name)} is declared as ${tensor.dtype} [${tensor.shape}], ${declared} bytes, but ${more}${given} bytes came.`,
      );
    }
  }
}
