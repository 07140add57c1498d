import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ArgumentError,
  DTypeError,
  FileFormatError,
  IndexError,
  InterruptedError,
  ModelError,
} from '@vq4dit/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  encodeFloat16,
  encodeSafetensors,
  littleEndianBytes,
  memorySource,
  openSafetensors,
  type StorageDType,
  type TensorToWrite,
  writeSafetensors,
} from '../src/index.ts';
import { countingSource, fixture } from './support/sources.ts';

/** A file of this header text and data, with no regard for the rules. */
function rawFile(header: string | Uint8Array, data = new Uint8Array(0), length?: bigint) {
  const json = typeof header === 'string' ? Buffer.from(header, 'utf8') : header;
  const bytes = new Uint8Array(8 + json.byteLength + data.byteLength);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(json.byteLength), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.byteLength);
  return bytes;
}

const tensor = (dtype: string, shape: unknown, offsets: unknown) =>
  JSON.stringify({ dtype, shape, data_offsets: offsets });

function open(bytes: Uint8Array) {
  return openSafetensors(memorySource(bytes, 'x.safetensors'));
}

function toWrite(
  name: string,
  dtype: StorageDType,
  shape: number[],
  ...parts: Uint8Array[]
): TensorToWrite {
  return { name, dtype, shape, data: () => parts };
}

const floats = (...values: number[]) => littleEndianBytes(Float32Array.from(values));

describe('reading', () => {
  it('reads a file that PyTorch users have', async () => {
    const file = await openSafetensors(fixture('dit-tiny.safetensors'));
    expect(file.metadata).toEqual({ format: 'pt' });
    expect(file.names()).toHaveLength(32);
    expect(file.entry('x_embedder.proj.weight')).toEqual({
      name: 'x_embedder.proj.weight',
      dtype: 'F32',
      shape: [32, 4, 2, 2],
      offset: 5200,
      byteLength: 2048,
    });
    const whole = await file.readFloat32('x_embedder.proj.weight');
    expect(whole).toHaveLength(512);
    expect(await file.readFloat32Range('x_embedder.proj.weight', 100, 7)).toEqual(
      whole.slice(100, 107),
    );
    await file.close();
  });

  it('decodes every floating-point dtype, and integers as int32', async () => {
    const values = [1.5, -2, 0.25, 65504];
    const bytes = await encodeSafetensors([
      toWrite('f64', 'F64', [4], littleEndianBytes(Float64Array.from(values))),
      toWrite('f32', 'F32', [2, 2], floats(...values)),
      toWrite('f16', 'F16', [4, 1], littleEndianBytes(encodeFloat16(Float32Array.from(values)))),
      toWrite('bf16', 'BF16', [2], littleEndianBytes(Uint16Array.of(0x3fc0, 0xc000))),
      toWrite('i64', 'I64', [2], littleEndianBytes(BigInt64Array.of(-3n, 7n))),
      toWrite('i64 large', 'I64', [1], littleEndianBytes(BigInt64Array.of(2n ** 31n))),
      toWrite('u32 large', 'U32', [1], littleEndianBytes(Uint32Array.of(2 ** 31))),
      toWrite('i16', 'I16', [2], littleEndianBytes(Int16Array.of(-3, 7))),
      toWrite('i8', 'I8', [2], littleEndianBytes(Int8Array.of(-3, 7))),
      toWrite('u8', 'U8', [2], Uint8Array.of(255, 7)),
      toWrite('bool', 'BOOL', [3], Uint8Array.of(1, 0, 1)),
      toWrite('scalar', 'F32', [], floats(8)),
      toWrite('empty', 'F32', [3, 0, 2]),
    ]);
    const file = await open(bytes);
    for (const name of ['f64', 'f32', 'f16']) {
      expect(Array.from(await file.readFloat32(name))).toEqual(values);
      expect(Array.from(await file.readFloat32Range(name, 1, 2))).toEqual([-2, 0.25]);
    }
    expect(Array.from(await file.readFloat32('bf16'))).toEqual([1.5, -2]);
    expect(Array.from(await file.readFloat32('scalar'))).toEqual([8]);
    expect(await file.readFloat32('empty')).toHaveLength(0);
    for (const name of ['i64', 'i16', 'i8']) {
      expect(Array.from(await file.readInt32(name))).toEqual([-3, 7]);
      await expect(file.readFloat32(name)).rejects.toThrow(DTypeError);
    }
    expect(Array.from(await file.readInt32('u8'))).toEqual([255, 7]);
    expect(Array.from(await file.readInt32('bool'))).toEqual([1, 0, 1]);
    await expect(file.readInt32('i64 large')).rejects.toThrow(IndexError);
    await expect(file.readInt32('u32 large')).rejects.toThrow(/"u32 large": element 0/);
    await expect(file.readInt32('f16')).rejects.toThrow(DTypeError);
    await expect(file.readFloat32('none')).rejects.toThrow(ModelError);
    expect(await file.read('u8')).toEqual({ dtype: 'U8', shape: [2], data: Uint8Array.of(255, 7) });
  });

  it('reads only the range that is asked for', async () => {
    const count = 100_000;
    const values = Float32Array.from({ length: count }, (_, i) => i);
    const bytes = await encodeSafetensors([
      toWrite('w', 'F32', [1000, 100], littleEndianBytes(values)),
    ]);
    const source = countingSource(bytes);
    const file = await openSafetensors(source);
    const opened = source.bytesRead();
    expect(opened).toBeLessThan(200);
    expect(await file.readFloat32Range('w', 4200, 100)).toEqual(values.slice(4200, 4300));
    expect(source.bytesRead() - opened).toBe(400);
    for (const [start, length] of [
      [count, 1],
      [-1, 1],
      [0, count + 1],
      [0.5, 1],
      [0, -1],
      [0, Number.NaN],
    ] as const) {
      await expect(file.readFloat32Range('w', start, length)).rejects.toThrow(IndexError);
    }
    await file.close();
    expect(source.isClosed()).toBe(true);
  });

  it('takes legal headers in any form: escapes, white space, keys in any order', async () => {
    const json =
      '{\n "b\\u0041\\"é" : { "shape":[ 1 , 2 ],"data_offsets" : [2,4], "dtype":"U8" } ,\t' +
      '"__metadata__":{"__proto__":"p","1":"\\ud83d\\ude00"},"":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}  ';
    const file = await open(rawFile(json, Uint8Array.of(1, 0, 5, 6)));
    expect(file.names()).toEqual(['', 'bA"é']);
    expect(Array.from(await file.readInt32('bA"é'))).toEqual([5, 6]);
    expect(Object.entries(file.metadata).sort()).toEqual([
      ['1', '😀'],
      ['__proto__', 'p'],
    ]);
    expect((await open(rawFile('{}'))).names()).toEqual([]);
  });
});

const u8 = (offsets: unknown, shape: unknown = [2]) => tensor('U8', shape, offsets);
const two = Uint8Array.of(1, 2);
const deep = `{"a":{"shape":${'['.repeat(100_000)}`;

/** A quarter of a million and one strings of metadata. */
function manyStrings(): Uint8Array {
  const strings = Array.from({ length: 250_001 }, (_, i) => `"${i}":""`);
  return rawFile(`{"__metadata__":{${strings.join(',')}}}`);
}

describe('refusing', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', new Uint8Array(0), /0 bytes are too few/],
    [
      'a header length beyond the file',
      rawFile('{}', two, 99n),
      /header takes 99 bytes, but only 4/,
    ],
    ['a header length beyond the cap', rawFile('{}', two, 2n ** 63n), /more than the 100000000/],
    ['a header that is empty', rawFile(''), /does not begin with "\{"/],
    ['a header that begins with a space', rawFile(' {}'), /does not begin/],
    ['a header that is a list', rawFile('[]'), /does not begin/],
    ['a header that ends early', rawFile('{"a":'), /needs "\{"/],
    ['a string without an end', rawFile('{"a'), /string without an end/],
    ['text after the header', rawFile('{} x'), /goes on after/],
    ['invalid UTF-8', rawFile(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)), /not valid UTF-8/],
    ['a lone surrogate', rawFile('{"\\ud800":1}'), /not legal Unicode/],
    ['a raw line break in a string', rawFile('{"a\n":1}'), /not legal JSON/],
    ['an unknown escape', rawFile('{"\\x":1}'), /not legal JSON/],
    ['a trailing comma', rawFile(`{"a":${u8([0, 2])},}`, two), /needs a string/],
    ['deep nesting', rawFile(deep), /for an integer/],
    ['a tensor name twice', rawFile(`{"a":${u8([0, 2])},"a":${u8([0, 2])}}`, two), /"a" twice/],
    [
      'a tensor name twice, once escaped',
      rawFile(`{"a":${u8([0, 2])},"\\u0061":${u8([0, 2])}}`, two),
      /"a" twice/,
    ],
    ['a field twice', rawFile('{"a":{"dtype":"U8","dtype":"I8"}}'), /"dtype" twice/],
    ['metadata twice', rawFile('{"__metadata__":{},"__metadata__":{}}'), /"__metadata__" twice/],
    ['a metadata key twice', rawFile('{"__metadata__":{"k":"1","k":"2"}}'), /"k" twice/],
    ['metadata that is a number', rawFile('{"__metadata__":{"k":1}}'), /needs a string/],
    ['metadata that is a list', rawFile('{"__metadata__":["k"]}'), /needs "\{"/],
    ['metadata without end', manyStrings(), /more than 250000 keys/],
    ['an unknown field', rawFile('{"a":{"strides":[1]}}'), /unknown field "strides" in tensor "a"/],
    ['no dtype', rawFile('{"a":{"shape":[2],"data_offsets":[0,2]}}', two), /"a" has no dtype/],
    ['no shape', rawFile('{"a":{"dtype":"U8","data_offsets":[0,2]}}', two), /"a" has no shape/],
    ['no offsets', rawFile('{"a":{"dtype":"U8","shape":[2]}}', two), /has no data_offsets/],
    ['one offset', rawFile(`{"a":${u8([0])}}`, two), /needs two data_offsets/],
    ['three offsets', rawFile(`{"a":${u8([0, 2, 2])}}`, two), /more than 2 numbers/],
    ['an unknown dtype', rawFile(`{"a":${tensor('F7', [2], [0, 2])}}`, two), /unknown dtype "F7"/],
    [
      'a dtype named like an object member',
      rawFile(`{"a":${tensor('constructor', [2], [0, 2])}}`, two),
      /unknown dtype "constructor"/,
    ],
    ['a negative axis', rawFile(`{"a":${u8([0, 2], [-2])}}`, two), /"-2" for an integer/],
    ['a fraction', rawFile(`{"a":${u8([0, 2], [2.5])}}`, two), /"2.5" for an integer/],
    ['an exponent', rawFile('{"a":{"shape":[2e0]}}', two), /"2e0" for an integer/],
    ['a leading zero', rawFile('{"a":{"shape":[02]}}', two), /"02" for an integer/],
    ['an axis that is text', rawFile(`{"a":${u8([0, 2], ['2'])}}`, two), /for an integer/],
    ['an unsafe integer', rawFile('{"a":{"shape":[9007199254740993]}}'), /too large/],
    [
      'a shape whose product overflows',
      rawFile(`{"a":${u8([0, 2], [2 ** 30, 2 ** 30, 2])}}`, two),
      /impossible shape/,
    ],
    [
      'a shape that overflows to zero in 64 bits',
      rawFile(`{"a":${u8([0, 0], [2 ** 32, 2 ** 32])}}`),
      /impossible shape/,
    ],
    ['too many axes', rawFile(`{"a":${u8([0, 1], Array(65).fill(1))}}`, two), /more than 64/],
    ['a span that is too short', rawFile(`{"a":${u8([0, 1])}}`, two), /takes 1 bytes, .* needs 2/],
    ['a span that is too long', rawFile(`{"a":${u8([0, 2], [1])}}`, two), /takes 2 .* needs 1/],
    ['an end before the begin', rawFile(`{"a":${u8([2, 0])}}`, two), /ends \(0\) before/],
    ['a tensor beyond the file', rawFile(`{"a":${u8([0, 2])}}`, two.slice(1)), /truncated/],
    ['a hole at the front', rawFile(`{"a":${u8([1, 3])}}`, new Uint8Array(3)), /follows a hole/],
    [
      'a hole in the middle',
      rawFile(`{"a":${u8([0, 2])},"b":${u8([3, 5])}}`, new Uint8Array(5)),
      /"b" follows a hole/,
    ],
    ['a hole at the end', rawFile(`{"a":${u8([0, 2])}}`, new Uint8Array(5)), /3 bytes after/],
    [
      'an overlap',
      rawFile(`{"a":${u8([0, 2])},"b":${u8([1, 3])}}`, new Uint8Array(3)),
      /"b" overlaps/,
    ],
    ['the same bytes twice', rawFile(`{"a":${u8([0, 2])},"b":${u8([0, 2])}}`, two), /"b" overlaps/],
  ])('%s', async (_what, bytes, message) => {
    const source = countingSource(bytes, 'bad.safetensors');
    const opening = openSafetensors(source);
    await expect(opening).rejects.toThrow(FileFormatError);
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toThrow(/^bad\.safetensors: .*\.$/);
    expect(source.isClosed()).toBe(true);
    expect(source.largestRead()).toBeLessThanOrEqual(bytes.byteLength);
  });
});

describe('writing', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('streams pieces, pads the header to eight bytes and aligns every tensor', async () => {
    const path = join(folder, 'out.safetensors');
    async function* pieces() {
      yield floats(1);
      yield new Uint8Array(0);
      yield floats(2, 3);
    }
    const calls: string[] = [];
    const lazily = (entry: TensorToWrite): TensorToWrite => ({
      ...entry,
      data: () => {
        calls.push(entry.name);
        return entry.data();
      },
    });
    const tensors = [
      toWrite('codes', 'U8', [3], Uint8Array.of(7, 8, 9)),
      { name: 'b', dtype: 'F32', shape: [3], data: () => pieces() } as const,
      { name: 'a', dtype: 'F32', shape: [1], data: async () => floats(4) } as const,
      toWrite('wide', 'F64', [1], littleEndianBytes(Float64Array.of(5))),
    ].map(lazily);
    await writeSafetensors(path, tensors, { z: '1', a: '2' });
    expect(await readdir(folder)).toEqual(['out.safetensors']);
    const bytes = new Uint8Array(await readFile(path));
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    expect(
      Buffer.from(bytes.subarray(8, 8 + length))
        .toString('utf8')
        .trimEnd(),
    ).toBe(
      '{"__metadata__":{"a":"2","z":"1"},' +
        '"wide":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},' +
        '"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},' +
        '"b":{"dtype":"F32","shape":[3],"data_offsets":[12,24]},' +
        '"codes":{"dtype":"U8","shape":[3],"data_offsets":[24,27]}}',
    );
    expect(calls).toEqual(['wide', 'a', 'b', 'codes']);
    const file = await openSafetensors(path);
    expect(Array.from(await file.readFloat32('b'))).toEqual([1, 2, 3]);
    await file.close();
    expect(await encodeSafetensors([...tensors].reverse(), { a: '2', z: '1' })).toEqual(bytes);
  });

  it.each<[string, TensorToWrite[], Record<string, string>, RegExp]>([
    ['too few bytes', [toWrite('a', 'F32', [2], floats(1))], {}, /"a" .* 8 bytes, but 4 bytes/],
    ['too many bytes', [toWrite('a', 'F32', [1], floats(1, 2))], {}, /at least 8 bytes came/],
    ['one name twice', [toWrite('a', 'U8', [0]), toWrite('a', 'I8', [0])], {}, /"a" is already/],
    ['the name of the metadata', [toWrite('__metadata__', 'U8', [0])], {}, /already taken/],
    ['an impossible shape', [toWrite('a', 'U8', [-1])], {}, /cannot be written as U8 \[-1\]/],
    ['half a surrogate pair', [toWrite('\ud800', 'U8', [0])], {}, /not Unicode/],
    ['half a surrogate pair in metadata', [], { a: '\udc00' }, /not Unicode/],
  ])('refuses %s and leaves nothing behind', async (_what, tensors, metadata, message) => {
    const writing = writeSafetensors(join(folder, 'out'), tensors, metadata);
    await expect(writing).rejects.toThrow(ArgumentError);
    await expect(writing).rejects.toThrow(message);
    expect(await readdir(folder)).toEqual([]);
  });

  it('stops at an abort and leaves nothing behind', async () => {
    const aborter = new AbortController();
    const tensors = [toWrite('a', 'F32', [1], floats(1)), toWrite('b', 'F32', [1], floats(2))];
    const aborting = tensors.map((entry) => ({
      ...entry,
      data: () => {
        if (entry.name === 'b') aborter.abort();
        return entry.data();
      },
    }));
    await expect(
      writeSafetensors(join(folder, 'out'), aborting, {}, { signal: aborter.signal }),
    ).rejects.toThrow(InterruptedError);
    expect(await readdir(folder)).toEqual([]);
  });
});
