import { type FileHandle, open, rm } from 'node:fs/promises';
import { output } from '../io/output-error.ts';

const PIECE = 1 << 22;

/**
 * A temporary file that keeps the codes of all layers until the tensor file is written, so that
 * each layer is made once and only one of them is in memory.
 */
export class Spool {
  readonly #path: string;
  readonly #handle: FileHandle;
  #size = 0;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /** @throws OutputError where the file cannot be made */
  static async create(path: string): Promise<Spool> {
    return new Spool(path, await output(path, () => open(path, 'wx+')));
  }

  /** Keeps bytes; returns a function that gives them back in pieces, as often as it is called. */
  async keep(bytes: Uint8Array): Promise<() => AsyncIterable<Uint8Array>> {
    const start = this.#size;
    let done = 0;
    while (done < bytes.byteLength) {
      const { bytesWritten } = await output(this.#path, () =>
        this.#handle.write(bytes, done, bytes.byteLength - done, start + done),
      );
      done += bytesWritten;
    }
    this.#size += bytes.byteLength;
    return () => this.#pieces(start, bytes.byteLength);
  }

  async *#pieces(start: number, length: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < length; ) {
      const piece = new Uint8Array(Math.min(PIECE, length - at));
      const { bytesRead } = await output(this.#path, () =>
        this.#handle.read(piece, 0, piece.byteLength, start + at),
      );
      // Nothing but this class touches the file; the length check of the writer would find it.
      if (bytesRead === 0) return;
      yield piece.subarray(0, bytesRead);
      at += bytesRead;
    }
  }

  /** Closes the file and removes it. */
  async remove(): Promise<void> {
    await this.#handle.close();
    await rm(this.#path, { force: true });
  }
}
