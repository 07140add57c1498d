import { VqError } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeSafetensors,
  littleEndianBytes,
  openTensorFile,
  type TensorFile,
  type TorchCheckpoint,
} from '../src/index.ts';
import { allowedGlobals } from '../src/torch/globals.ts';
import { OPCODES } from '../src/torch/opcodes.ts';
import { unpickle } from '../src/torch/unpickle.ts';
import * as p from './support/pickle-writer.ts';
import { countingSource, valueOrVqError } from './support/sources.ts';
import { checkpointRecords, zip } from './support/zip-writer.ts';

const floats = littleEndianBytes(Float32Array.of(1, 2, 3, 4));
const shorts = littleEndianBytes(BigInt64Array.of(5n));

const safetensorsFile = await encodeSafetensors(
  [
    { name: 'a.weight', dtype: 'F32', shape: [2, 2], data: () => floats },
    { name: 'b', dtype: 'I64', shape: [], data: () => shorts },
    { name: 'c', dtype: 'BF16', shape: [4], data: () => shorts },
  ],
  { format: 'pt' },
);
const torchFile = zip(
  checkpointRecords(
    p.pickle(
      p.dict(
        [
          p.text('ema'),
          p.dict(
            [p.text('a'), p.tensor(p.storage('Float', '0', p.int(4)), 0, [2, 2], [1, 2])],
            [p.text('b'), p.tensor(p.storage('Long', '1', p.int(1)), 0, [1], [1])],
          ),
        ],
        [
          p.text('args'),
          p.build(
            p.newObject(p.global('argparse', 'Namespace')),
            p.dict([p.text('lr'), p.float(0.5)], [p.text('n'), p.long(7n)]),
          ),
        ],
      ),
    ),
    [floats, shorts],
    [{ name: 'archive/byteorder', data: Buffer.from('little') }],
  ),
);

/** One change to the bytes of a file; positions and lengths wrap around. */
type Mutation = (bytes: Uint8Array) => Uint8Array;

const position = fc.nat(1 << 16);
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(position, fc.nat(7)).map(([at, bit]) => flip(at, bit)) },
  { weight: 4, arbitrary: fc.tuple(position, fc.nat(255)).map(([at, value]) => set(at, [value])) },
  {
    weight: 2,
    // Numbers that are likely to overflow something, in the width of a field.
    arbitrary: fc
      .tuple(
        position,
        fc.constantFrom(1, 2, 4, 8),
        fc.constantFrom(0, 1, 0x7f, 0x80, 0xff),
        fc.nat(255),
      )
      .map(([at, width, fill, first]) => set(at, [first, ...Array(width - 1).fill(fill)])),
  },
  { weight: 1, arbitrary: position.map((at) => cut(at)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(position, position, fc.nat(64), fc.nat(64))
      .map(([from, to, length, removed]) => splice(from, to, length, removed)),
  },
);

function flip(at: number, bit: number): Mutation {
  return (bytes) => {
    const out = bytes.slice();
    if (out.length > 0) out[at % out.length] ^= 1 << bit;
    return out;
  };
}

function set(at: number, values: number[]): Mutation {
  return (bytes) => {
    const out = bytes.slice();
    for (const [i, value] of values.entries()) {
      if (out.length > 0) out[(at + i) % out.length] = value;
    }
    return out;
  };
}

function cut(at: number): Mutation {
  return (bytes) => bytes.slice(0, at % Math.max(1, bytes.length));
}

/** Puts a piece of the file in another place, over `removed` bytes. */
function splice(from: number, to: number, length: number, removed: number): Mutation {
  return (bytes) => {
    const piece = bytes.slice(from % (bytes.length + 1)).slice(0, length);
    const at = to % (bytes.length + 1);
    return p.join(bytes.slice(0, at), piece, bytes.slice(at + removed));
  };
}

/** Opens a file, reads everything in it, and holds what comes out against the file's size. */
async function readEverything(bytes: Uint8Array): Promise<void> {
  const source = countingSource(bytes);
  const file = await valueOrVqError(() => openTensorFile(source));
  expect(source.largestRead()).toBeLessThanOrEqual(bytes.length);
  // The tail in which a zip archive keeps its table, the table, the pickle and the headers.
  expect(source.bytesRead()).toBeLessThanOrEqual(4 * bytes.length + 16);
  if (file instanceof VqError) {
    expect(source.isClosed()).toBe(true);
    return;
  }
  for (const name of file.names()) await readTensor(file, name, bytes.length);
  if (isCheckpoint(file)) await valueOrVqError(async () => JSON.stringify(file.args()));
  await file.close();
}

function isCheckpoint(file: TensorFile): file is TorchCheckpoint {
  return 'args' in file;
}

async function readTensor(file: TensorFile, name: string, fileSize: number): Promise<void> {
  const entry = file.entry(name);
  expect(entry.byteLength).toBeLessThanOrEqual(fileSize);
  const raw = await valueOrVqError(() => file.read(name));
  if (!(raw instanceof VqError)) expect(raw.data.byteLength).toBe(entry.byteLength);
  const values = await valueOrVqError(() => file.readFloat32(name));
  // The widest growth: two bytes of F16 become four.
  if (!(values instanceof VqError)) expect(values.byteLength).toBeLessThanOrEqual(2 * fileSize);
  await valueOrVqError(() => file.readFloat32Range(name, 1, 2));
  await valueOrVqError(() => file.readInt32(name));
}

describe.each([
  ['safetensors', safetensorsFile],
  ['PyTorch', torchFile],
])('a damaged %s file', (_format, valid) => {
  it('is sound before it is damaged', async () => {
    const file = await openTensorFile(countingSource(valid));
    for (const name of file.names()) await file.read(name);
    await readEverything(valid);
  });

  it('gives values or a named error, and never more than its size allows', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async (mutations) => {
        await readEverything(mutations.reduce((bytes, mutate) => mutate(bytes), valid));
      }),
      { numRuns: 2000 },
    );
  });

  it('is noticed when it is cut anywhere', async () => {
    for (let length = 0; length < valid.length; length++) {
      const opened = await valueOrVqError(() =>
        openTensorFile(countingSource(valid.slice(0, length))),
      );
      expect(opened).toBeInstanceOf(VqError);
    }
  });
});

describe('any pickle program', () => {
  const globals = allowedGlobals('data.pkl');
  const opcode = fc.constantFrom(...Object.values(OPCODES)).map((code) => Uint8Array.of(code));
  const names = [...globals.keys(), 'os.system', 'builtins.eval'].map((name) => {
    const dot = name.lastIndexOf('.');
    return p.global(name.slice(0, dot), name.slice(dot + 1));
  });
  const value = fc.constantFrom(
    p.none,
    p.int(0),
    p.int(3),
    p.int(-1),
    p.text('0'),
    p.text('storage'),
    p.tuple(p.int(2), p.int(2)),
    p.list(p.tuple(p.text('k'), p.none)),
    p.dict([p.text('k'), p.int(1)]),
    p.storage('Float', '0', p.int(4)),
    p.tensor(p.storage('Float', '0', p.int(4)), 0, [2, 2], [2, 1]),
  );
  const piece = fc.oneof(
    { weight: 4, arbitrary: value },
    { weight: 4, arbitrary: opcode },
    { weight: 2, arbitrary: fc.constantFrom(...names) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 9 }) },
  );

  it('ends with plain data or a named error', () => {
    const outcomes = { values: 0, errors: 0 };
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const load = () =>
          unpickle(p.pickle(p.join(pieces), 4), {
            where: 'data.pkl',
            findGlobal: (module, attribute) => globals.get(`${module}.${attribute}`),
            loadPersistent: () => null,
          });
        try {
          load();
          outcomes.values++;
        } catch (error) {
          expect(error).toBeInstanceOf(VqError);
          outcomes.errors++;
        }
      }),
      { numRuns: 10_000 },
    );
    // Both must be common, or the programs are not worth much.
    expect(Math.min(outcomes.values, outcomes.errors)).toBeGreaterThan(100);
  });
});
