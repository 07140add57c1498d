import { DTypeError, FileFormatError, IndexError, ModelError } from '@vq4dit/core';
import { describe, expect, it } from 'vitest';
import {
  encodeFloat16,
  littleEndianBytes,
  memorySource,
  openTensorFile,
  openTorchCheckpoint,
} from '../src/index.ts';
import * as p from './support/pickle-writer.ts';
import { countingSource, fixture } from './support/sources.ts';
import { checkpointRecords, type ZipRecord, zip } from './support/zip-writer.ts';

const floats = (...values: number[]) => littleEndianBytes(Float32Array.from(values));
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

function checkpoint(value: p.Piece, storages: Uint8Array[] = [], extra: ZipRecord[] = []) {
  return zip(checkpointRecords(p.pickle(value), storages, extra));
}

function open(bytes: Uint8Array) {
  return openTorchCheckpoint(memorySource(bytes, 'x.pt'));
}

/** A state dict with one tensor `w` over 12 floats 0 .. 11. */
function view(offset: number, shape: number[], strides: number[], ...more: p.Piece[]) {
  const storage = p.storage('Float', '0', p.int(12));
  return checkpoint(p.dict([p.text('w'), p.tensor(storage, offset, shape, strides, ...more)]), [
    floats(...upTo(12)),
  ]);
}

/** A tensor of one float. */
const scalar = p.tensor(p.storage('Float', '0', p.int(1)), 0, [1], [1]);
const one = [floats(7)];

describe('tensors', () => {
  it.each<[string, number, number[], number[], number[]]>([
    ['contiguous', 0, [3, 4], [4, 1], upTo(12)],
    ['with an offset', 4, [2, 4], [4, 1], [4, 5, 6, 7, 8, 9, 10, 11]],
    ['transposed', 0, [4, 3], [1, 4], [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]],
    ['every second column', 1, [3, 2], [4, 2], [1, 3, 5, 7, 9, 11]],
    ['repeated within its storage', 2, [2, 3], [0, 1], [2, 3, 4, 2, 3, 4]],
    ['with axes of length 1 and odd strides', 0, [1, 3, 1], [99, 4, 77], [0, 4, 8]],
    ['permuted', 0, [2, 2, 3], [3, 6, 1], [0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11]],
    ['a scalar', 5, [], [], [5]],
    ['empty', 3, [0, 4], [4, 1], []],
    ['empty, with a size that no storage has', 99, [2 ** 40, 0], [1, 1], []],
  ])('%s', async (_what, offset, shape, strides, expected) => {
    const file = await open(view(offset, shape, strides));
    expect(file.entry('w')).toEqual({
      name: 'w',
      dtype: 'F32',
      shape,
      byteLength: 4 * expected.length,
    });
    expect(Array.from(await file.readFloat32('w'))).toEqual(expected);
    for (let start = 0; start <= expected.length; start++) {
      for (let count = 0; count <= expected.length - start; count++) {
        expect(Array.from(await file.readFloat32Range('w', start, count))).toEqual(
          expected.slice(start, start + count),
        );
      }
    }
    await expect(file.readFloat32Range('w', 0, expected.length + 1)).rejects.toThrow(IndexError);
  });

  it('of every storage class', async () => {
    const of = (type: string, key: number, n: number) =>
      p.tensor(p.storage(type, String(key), p.int(n)), 0, [n], [1]);
    const file = await open(
      checkpoint(
        p.dict(
          [p.text('f64'), of('Double', 0, 2)],
          [p.text('f16'), of('Half', 1, 2)],
          [p.text('bf16'), of('BFloat16', 2, 2)],
          [p.text('i64'), of('Long', 3, 2)],
          [p.text('i32'), of('Int', 4, 2)],
          [p.text('i16'), of('Short', 5, 2)],
          [p.text('i8'), of('Char', 6, 2)],
          [p.text('u8'), of('Byte', 7, 2)],
          [p.text('bool'), of('Bool', 8, 2)],
          [p.text('f32'), of('Float', 9, 2)],
        ),
        [
          littleEndianBytes(Float64Array.of(1.5, -2)),
          littleEndianBytes(encodeFloat16(Float32Array.of(1.5, -2))),
          littleEndianBytes(Uint16Array.of(0x3fc0, 0xc000)),
          littleEndianBytes(BigInt64Array.of(1n, -2n)),
          littleEndianBytes(Int32Array.of(1, -2)),
          littleEndianBytes(Int16Array.of(1, -2)),
          littleEndianBytes(Int8Array.of(1, -2)),
          Uint8Array.of(1, 254),
          Uint8Array.of(1, 0),
          floats(1.5, -2),
        ],
      ),
    );
    for (const name of ['f64', 'f32', 'f16', 'bf16']) {
      expect(file.entry(name).dtype).toBe(name.toUpperCase());
      expect(Array.from(await file.readFloat32(name))).toEqual([1.5, -2]);
    }
    for (const name of ['i64', 'i32', 'i16', 'i8']) {
      expect(file.entry(name).dtype).toBe(name.toUpperCase());
      expect(Array.from(await file.readInt32(name))).toEqual([1, -2]);
      await expect(file.readFloat32(name)).rejects.toThrow(DTypeError);
    }
    expect(Array.from(await file.readInt32('u8'))).toEqual([1, 254]);
    expect(Array.from(await file.readInt32('bool'))).toEqual([1, 0]);
    expect((await file.read('i16')).data).toEqual(Uint8Array.of(1, 0, 254, 255));
    expect(() => file.entry('none')).toThrow(ModelError);
  });

  it('of a big-endian machine', async () => {
    const swapped = Buffer.from(floats(1, 2, 3)).swap32();
    const value = p.dict([p.text('w'), p.tensor(p.storage('Float', '0', p.int(3)), 0, [3], [1])]);
    const order = (name: string) => [{ name: 'archive/byteorder', data: Buffer.from(name) }];
    const big = await open(checkpoint(value, [swapped], order('big')));
    expect(Array.from(await big.readFloat32('w'))).toEqual([1, 2, 3]);
    const little = await open(checkpoint(value, [floats(1, 2, 3)], order('little')));
    expect(Array.from(await little.readFloat32('w'))).toEqual([1, 2, 3]);
    await expect(open(checkpoint(value, [swapped], order('middle')))).rejects.toThrow(
      /byte order is "middle"/,
    );
  });

  it('are read range by range', async () => {
    const n = 50_000;
    const values = floats(...upTo(n));
    const storage = p.storage('Float', '0', p.int(n));
    const value = p.dict([p.text('w'), p.tensor(storage, 0, [500, 100], [100, 1])]);
    // A second record moves the storage out of the tail in which the table of contents is sought.
    const source = countingSource(
      checkpoint(value, [values], [{ name: 'archive/pad', data: new Uint8Array(70_000) }]),
    );
    const file = await openTorchCheckpoint(source);
    const before = source.bytesRead();
    expect(before).toBeLessThan(70_000);
    const rows = await file.readFloat32Range('w', 4200, 100);
    expect(rows[0]).toBe(4200);
    // The rows, and the 30 bytes of the record's header.
    expect(source.bytesRead() - before).toBe(430);
    await file.close();
    expect(source.isClosed()).toBe(true);
  });

  it('of an archive in the form for more than 4 GB', async () => {
    const value = p.pickle(p.dict([p.text('w'), scalar]));
    const file = await open(zip(checkpointRecords(value, one), undefined, true));
    expect(Array.from(await file.readFloat32('w'))).toEqual([7]);
  });

  it('are read at the same time', async () => {
    const file = await openTorchCheckpoint(fixture('dit-tiny.pt'));
    const all = await Promise.all(file.names().map((name) => file.readFloat32(name)));
    for (const [i, name] of file.names().entries()) {
      expect(all[i]).toEqual(await file.readFloat32(name));
    }
    await file.close();
  });
});

describe('the state dict', () => {
  const named = (name: string) => p.dict([p.text(name), scalar]);

  it.each<[string, p.Piece, string[], string | undefined]>([
    ['the root', p.dict([p.text('w'), scalar], [p.text('step'), p.int(3)]), ['w'], undefined],
    [
      'ema, before all others',
      p.dict(
        [p.text('model'), named('m')],
        [p.text('ema'), named('e')],
        [p.text('state_dict'), named('s')],
      ),
      ['e'],
      'ema',
    ],
    [
      'model, where ema has no tensors',
      p.dict([p.text('ema'), p.dict()], [p.text('model'), named('m')]),
      ['m'],
      'model',
    ],
    [
      'state_dict',
      p.dict([p.text('epoch'), p.int(1)], [p.text('state_dict'), named('s')]),
      ['s'],
      'state_dict',
    ],
    [
      'parameters instead of tensors',
      p.dict([
        p.text('w'),
        p.call(p.global('torch._utils', '_rebuild_parameter'), scalar, p.op('NEWTRUE'), p.dict()),
      ]),
      ['w'],
      undefined,
    ],
  ])('is found: %s', async (_what, value, names, key) => {
    const file = await open(checkpoint(value, one));
    expect(file.names()).toEqual(names);
    expect(file.stateDictKey).toBe(key);
    expect(Array.from(await file.readFloat32(names[0]))).toEqual([7]);
    expect(file.has('nothing')).toBe(false);
  });

  it('is taken from the key that is asked for, and no other', async () => {
    const value = p.dict([p.text('model'), named('m')], [p.text('ema'), named('e')]);
    const source = memorySource(checkpoint(value, one), 'x.pt');
    expect((await openTorchCheckpoint(source, { stateDict: 'model' })).names()).toEqual(['m']);
    await expect(openTorchCheckpoint(source, { stateDict: 'state_dict' })).rejects.toThrow(
      'x.pt: no state dict: there is no dict with tensors at state_dict.',
    );
  });

  it('comes with the arguments of the training, be they a dict or a namespace', async () => {
    const fields = p.dict([p.text('model'), p.text('DiT-S/8')], [p.text('image_size'), p.int(256)]);
    const record = p.build(p.newObject(p.global('argparse', 'Namespace')), fields);
    for (const args of [fields, record]) {
      const value = p.dict([p.text('ema'), named('w')], [p.text('args'), args]);
      const file = await open(checkpoint(value, one));
      expect({ ...(file.args() as object) }).toEqual({ model: 'DiT-S/8', image_size: 256 });
    }
    expect((await open(checkpoint(named('w'), one))).args()).toBeUndefined();
  });
});

const zeros = (n: number) => new Uint8Array(n);
const good = checkpointRecords(p.pickle(p.dict([p.text('w'), scalar])), one);
const [goodPickle, goodStorage] = good;
const replace = (record: ZipRecord) =>
  zip([...good.filter(({ name }) => name !== record.name), record]);

describe('refusing', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', zeros(0), /no PyTorch checkpoint/],
    ['another file', Buffer.from('GIF89a...'), /no PyTorch checkpoint/],
    [
      'the format before PyTorch 1.6',
      Uint8Array.of(0x80, 2, 0x8a, 10, 0x6c, 0xfc),
      /before PyTorch 1\.6; load it with torch\.load.* and save it again/,
    ],
    ['a truncated archive', zip(good).slice(0, -30), /not a readable PyTorch archive .* truncated/],
    ['the first half of an archive', zip(good).slice(0, 200), /not a readable PyTorch archive/],
    [
      'a zip archive of something else',
      zip([{ name: 'a/b', data: zeros(1) }]),
      /0 records named data\.pkl/,
    ],
    [
      'two checkpoints in one',
      zip([...good, { ...goodPickle, name: 'other/data.pkl' }]),
      /2 records named data\.pkl/,
    ],
    [
      'a TorchScript program',
      zip([...good, { name: 'archive/constants.pkl', data: zeros(1) }]),
      /TorchScript/,
    ],
    [
      'a zip bomb',
      replace({ name: 'archive/data/0', data: zeros(10_000_000), deflate: true }),
      /"archive\/data\/0" is compressed/,
    ],
    ['a compressed pickle', replace({ ...goodPickle, deflate: true }), /data\.pkl" is compressed/],
    [
      'an encrypted record',
      // Encryption puts twelve bytes in front.
      replace({ ...goodStorage, flags: 0x801, claimedStoredSize: 16 }),
      /"archive\/data\/0" is encrypted/,
    ],
    ['a record of two sizes', replace({ ...goodStorage, claimedStoredSize: 5 }), /size mismatch/],
    ['a record twice', zip([...good, goodStorage]), /"archive\/data\/0" is there twice/],
    [
      'records that share their bytes',
      zip([
        ...upTo(40).map((i) => ({
          name: `archive/x${i}`,
          data: zeros(0),
          claimedSize: 400,
          claimedOffset: 0,
        })),
        ...good,
      ]),
      /claim \d+ bytes, but the file has/,
    ],
    ['a record of 4 GB', replace({ ...goodStorage, claimedSize: 0xfffffff0 }), /claim \d+ bytes/],
    [
      'a path that leaves the archive',
      zip([...good, { name: '../x', data: zeros(1) }]),
      /not a readable/,
    ],
    ['more records than there are', zip(good, 9), /46 bytes are expected/],
    [
      'a huge pickle',
      replace({ ...goodPickle, data: zeros(16 * 1024 * 1024 + 1) }),
      /data\.pkl has 16777217 bytes/,
    ],
    [
      'code in the pickle',
      checkpoint(p.call(p.global('os', 'system'), p.text('x'))),
      /"os\.system"/,
    ],
    ['no state dict', checkpoint(p.dict([p.text('step'), p.int(1)])), /no state dict/],
    ['a bare tensor', checkpoint(scalar, one), /no state dict/],
    [
      'a storage that is not there',
      checkpoint(p.dict([p.text('w'), scalar])),
      /storage "0", which is not there/,
    ],
    [
      'a storage of another size',
      checkpoint(p.dict([p.text('w'), scalar]), [floats(1, 2)]),
      /as 1 F32 elements, 4 bytes, but its record has 8/,
    ],
    [
      'a storage key that is a path',
      checkpoint(p.storage('Float', '../data.pkl', p.int(1)), one),
      /"\.\.\/data\.pkl", which is not there/,
    ],
    [
      'a storage of a negative size',
      checkpoint(p.storage('Float', '0', p.int(-1)), one),
      /impossible number/,
    ],
    [
      'a storage of 2^62 elements',
      checkpoint(p.storage('Float', '0', p.long(2n ** 62n)), one),
      /impossible number/,
    ],
    [
      'a storage of complex numbers',
      checkpoint(p.storage('ComplexFloat', '0', p.int(1)), one),
      /"torch\.ComplexFloatStorage"/,
    ],
    [
      'a storage of a class that is none',
      checkpoint(
        p.join(
          p.tuple(
            p.text('storage'),
            p.global('torch', 'Size'),
            p.text('0'),
            p.text('cpu'),
            p.int(1),
          ),
          p.op('BINPERSID'),
        ),
        one,
      ),
      /no known element type/,
    ],
    [
      'a persistent id of another kind',
      checkpoint(p.join(p.tuple(p.text('module')), p.op('BINPERSID'))),
      /unknown object/,
    ],
    [
      'a persistent id that is no tuple',
      checkpoint(p.join(p.text('storage'), p.op('BINPERSID'))),
      /unknown object/,
    ],
    ['a tensor beyond its storage', view(0, [13], [1]), /needs 13 elements of it, but it has 12/],
    ['an offset beyond the storage', view(12, [1], [1]), /needs 13 elements/],
    ['strides beyond the storage', view(0, [2, 2], [11, 1]), /needs 13 elements/],
    ['a stride of 2^52', view(0, [2], [2 ** 52]), /needs 4503599627370497 elements/],
    ['sizes whose product overflows', view(0, [2 ** 31, 2 ** 31], [0, 0]), /impossible size/],
    [
      'one element repeated 2^40 times',
      view(0, [2 ** 40], [0]),
      /repeats its 12 elements to 1099511627776/,
    ],
    ['a negative stride', view(11, [12], [-1]), /not an integer >= 0/],
    ['a negative size', view(0, [-1], [1]), /not an integer >= 0/],
    ['a negative offset', view(-1, [1], [1]), /not an integer >= 0/],
    ['fewer strides than axes', view(0, [3, 4], [1]), /has 2 axes but 1 strides/],
    ['65 axes', view(0, Array(65).fill(1), Array(65).fill(1)), /has 65 axes/],
    [
      'a pending negation',
      view(0, [1], [1], p.dict([p.text('neg'), p.op('NEWTRUE')])),
      /with flags/,
    ],
  ])('%s', async (_what, bytes, message) => {
    const source = countingSource(bytes, 'bad.pt');
    const opening = openTorchCheckpoint(source);
    await expect(opening).rejects.toThrow(FileFormatError);
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toThrow(/^bad\.pt: .*\.$/);
    expect(source.isClosed()).toBe(true);
    expect(source.largestRead()).toBeLessThanOrEqual(Math.min(bytes.byteLength, 70_000));
  });

  it('neither format: the error of openTensorFile says so', async () => {
    await expect(openTensorFile(memorySource(zeros(20), 'x'))).rejects.toThrow(FileFormatError);
  });

  it('a record whose header was overwritten', async () => {
    const bytes = zip(good);
    const at = Buffer.from(bytes).indexOf('archive/data/0') - 30;
    bytes[at] = 0;
    const file = await open(bytes);
    await expect(file.readFloat32('w')).rejects.toThrow(/invalid local file header signature/);
  });
});
