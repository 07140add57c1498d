import { createHash } from 'node:crypto';
import { openFileSource } from '../io/file-source.ts';

const PIECE = 1 << 22;

/**
 * SHA-256, in hex, of the bytes of files one after the other; reads 4 MiB at a time.
 *
 * @throws InputError where a file cannot be read
 */
export async function sha256OfFiles(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) {
    const source = await openFileSource(path);
    try {
      for (let at = 0; at < source.size; at += PIECE) {
        hash.update(await source.read(at, Math.min(PIECE, source.size - at)));
      }
    } finally {
      await source.close();
    }
  }
  return hash.digest('hex');
}
