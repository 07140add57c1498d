import { ArgumentError, FileFormatError } from '@vq4dit/core';
import type { ByteImages } from '../networks/network.ts';
import type { NpzFile } from '../npz/index.ts';

/** Numbered images that can be had from any number on: drawn by a model, or read from files. */
export interface ImageSource {
  /** What messages call it. */
  readonly name: string;
  /** How many there are; undefined where as many can be drawn as one likes. */
  readonly count: number | undefined;
  /**
   * Images [from, to) in order, `size` at a time; the last batch may be smaller. Image i is the
   * same whatever `from` and `size` are.
   */
  batches(from: number, to: number, size: number): AsyncIterable<ByteImages>;
}

/** The array that holds the images of a reference batch. */
const IMAGES = 'arr_0';

/**
 * The images of an .npz file (`arr_0`, uint8 [N, H, W, C]), read as a stream: memory is that of one
 * batch.
 *
 * @throws FileFormatError where there is no such array, or it holds something else
 */
export async function npzImages(file: NpzFile): Promise<ImageSource> {
  const { dtype, shape } = await file.header(IMAGES);
  const [count, height, width, channels] = shape as [number, number, number, number];
  if (dtype !== 'uint8' || shape.length !== 4 || ![1, 3].includes(channels) || shape.includes(0)) {
    throw new FileFormatError(
      `${file.name}, array ${IMAGES}: images are uint8 [N, height, width, 1 or 3], this is ${dtype} [${shape.join(', ')}].`,
    );
  }
  const image = height * width * channels;
  return {
    name: file.name,
    count,
    async *batches(from, to, size) {
      checkRange(file.name, to, count);
      let at = -from * image; // where in the wanted range the next byte belongs
      let first = from;
      let values = new Uint8Array(Math.min(size, to - first) * image);
      for await (let piece of file.bytes(IMAGES)) {
        if (at < 0) {
          const skipped = Math.min(-at, piece.length);
          at += skipped;
          piece = piece.subarray(skipped);
        }
        while (piece.length > 0 && first < to) {
          const taken = Math.min(piece.length, values.length - at);
          values.set(piece.subarray(0, taken), at);
          at += taken;
          piece = piece.subarray(taken);
          if (at < values.length) continue;
          yield { count: values.length / image, height, width, channels, values };
          first += values.length / image;
          at = 0;
          values = new Uint8Array(Math.min(size, to - first) * image);
        }
        if (first >= to) return;
      }
    },
  };
}

/** @throws ArgumentError where more images are asked for than there are */
export function checkRange(name: string, to: number, count: number): void {
  if (to > count) {
    throw new ArgumentError(`${name}: there are ${count} images, but ${to} were asked for.`);
  }
}
