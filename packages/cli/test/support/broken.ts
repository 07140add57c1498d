import { writeFile } from 'node:fs/promises';
import { type TensorToWrite, writeSafetensors } from '@vq4dit/checkpoint';
import { call, global, pickle, text } from '../../../checkpoint/test/support/pickle-writer.ts';
import { checkpointRecords, zip } from '../../../checkpoint/test/support/zip-writer.ts';
import { PICTURE_CONFIG, randomTensors } from './models.ts';

/** A safetensors file of this header and data, with no regard for the rules. */
export function rawSafetensors(header: unknown, data = 0, claimed?: bigint): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header), 'utf8');
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(claimed ?? BigInt(json.byteLength));
  return Buffer.concat([size, json, Buffer.alloc(data)]);
}

export const entry = (shape: number[], from: number, to: number) => ({
  dtype: 'F32',
  shape,
  data_offsets: [from, to],
});

/** A checkpoint whose pickle, if it were executed, would run a shell command. */
export const hostilePickle = (command: string): Uint8Array =>
  zip(checkpointRecords(pickle(call(global('os', 'system'), text(command)))));

/** A checkpoint that is small on the disk and would unpack to a gigabyte of zeros. */
export function zipBomb(): Uint8Array {
  const zeros = new Uint8Array(64 << 20);
  return zip([
    { name: 'archive/data.pkl', data: zeros, deflate: true, claimedStoredSize: 1 << 16 },
    { name: 'archive/version', data: Buffer.from('3\n') },
  ]);
}

/** Writes the picture model with changed tensors, without its config. */
export async function writeChanged(
  path: string,
  change: (tensors: TensorToWrite[]) => TensorToWrite[],
): Promise<string> {
  await writeSafetensors(path, change(randomTensors(PICTURE_CONFIG)), {});
  return path;
}

/** Replaces one value of one tensor. */
export const withValue = (name: string, value: number) => (tensors: TensorToWrite[]) =>
  tensors.map((tensor) => {
    if (tensor.name !== name) return tensor;
    const values = new Float32Array(tensor.shape.reduce((a, b) => a * b, 1)).fill(0.5);
    values[3] = value;
    return { ...tensor, data: () => new Uint8Array(values.buffer) };
  });

export async function writeBytes(path: string, bytes: Uint8Array): Promise<string> {
  await writeFile(path, bytes);
  return path;
}
