import type { ByteSource } from '../io/byte-source.ts';
import { openFileSource } from '../io/file-source.ts';
import { openSafetensors } from '../safetensors/read.ts';
import { openTorchCheckpoint } from '../torch/open.ts';
import type { TensorFile } from './tensor-file.ts';

/**
 * Opens a file of tensors by what it holds, not by its name: a safetensors file has "{" as its
 * ninth byte, anything else is taken for a PyTorch checkpoint.
 *
 * @throws FileFormatError for a file that is neither, or is malformed
 * @throws InputError where the file cannot be read
 */
export async function openTensorFile(from: ByteSource | string): Promise<TensorFile> {
  const source = typeof from === 'string' ? await openFileSource(from) : from;
  let start: Uint8Array;
  try {
    start = await source.read(0, Math.min(9, source.size));
  } catch (error) {
    await source.close();
    throw error;
  }
  return start[8] === 0x7b ? openSafetensors(source) : openTorchCheckpoint(source);
}
