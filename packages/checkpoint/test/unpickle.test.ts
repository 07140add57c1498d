import { FileFormatError } from '@vq4dit/core';
import { describe, expect, it } from 'vitest';
import { PickleGlobal, PickleRecord, PickleTuple } from '../src/index.ts';
import { allowedGlobals } from '../src/torch/globals.ts';
import { OPCODES } from '../src/torch/opcodes.ts';
import { toPlainJson } from '../src/torch/plain-json.ts';
import { unpickle } from '../src/torch/unpickle.ts';
import * as p from './support/pickle-writer.ts';

const globals = allowedGlobals('data.pkl');

function load(bytes: Uint8Array) {
  return unpickle(bytes, {
    where: 'data.pkl',
    findGlobal: (module, attribute) => globals.get(`${module}.${attribute}`),
    loadPersistent: () => null,
  });
}

function errorOf(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('no error was thrown');
}

const repeat = (piece: p.Piece, times: number): p.Piece[] => Array(times).fill(piece);
const bytes = (...values: number[]) => Uint8Array.from(values);

describe('values', () => {
  it.each<[string, p.Piece, unknown]>([
    ['None', p.none, null],
    ['booleans', p.list(p.op('NEWTRUE'), p.op('NEWFALSE')), [true, false]],
    ['small integers', p.list(p.op('BININT1', 255), p.op('BININT2', 1, 2)), [255, 513]],
    ['negative integers', p.int(-5), -5],
    ['long integers', p.list(p.long(-5n), p.long(2n ** 53n)), [-5, 2n ** 53n]],
    ['an empty long', p.op('LONG1', 0), 0],
    ['LONG4', p.op('LONG4', 2, 0, 0, 0, 0xff, 0x80), -32513],
    ['floats', p.list(p.float(0.1), p.float(Number.NEGATIVE_INFINITY)), [0.1, -Infinity]],
    ['text', p.text('blöcke 🧱'), 'blöcke 🧱'],
    ['short text', p.op('SHORT_BINUNICODE', 1, 65), 'A'],
    ['long text', p.op('BINUNICODE8', 1, 0, 0, 0, 0, 0, 0, 0, 65), 'A'],
    ['bytes', p.op('SHORT_BINBYTES', 2, 1, 2), bytes(1, 2)],
    ['a bytearray', p.op('BYTEARRAY8', 1, 0, 0, 0, 0, 0, 0, 0, 9), bytes(9)],
    ['a list, item by item', p.join(p.op('EMPTY_LIST'), p.none, p.op('APPEND')), [null]],
    ['LIST', p.join(p.op('MARK'), p.none, p.op('LIST')), [null]],
    [
      'tuples of every kind',
      p.list(
        p.op('EMPTY_TUPLE'),
        p.join(p.int(1), p.op('TUPLE1')),
        p.join(p.int(1), p.int(2), p.op('TUPLE2')),
        p.join(p.int(1), p.int(2), p.int(3), p.op('TUPLE3')),
        p.tuple(p.int(1), p.int(2), p.int(3), p.int(4)),
      ),
      [[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]].map((items) => new PickleTuple(items)),
    ],
    [
      'a dict',
      p.dict([p.text('a'), p.int(1)], [p.int(2), p.none]),
      new Map<unknown, unknown>([
        ['a', 1],
        [2, null],
      ]),
    ],
    ['DICT', p.join(p.op('MARK'), p.text('a'), p.int(1), p.op('DICT')), new Map([['a', 1]])],
    [
      'a dict, item by item; the last of equal keys wins',
      p.join(
        p.op('EMPTY_DICT'),
        ...repeat(p.join(p.text('a'), p.int(1), p.op('SETITEM')), 1),
        p.text('a'),
        p.int(2),
        p.op('SETITEM'),
      ),
      new Map([['a', 2]]),
    ],
    ['a set', p.join(p.op('EMPTY_SET'), p.op('MARK'), p.int(1), p.op('ADDITEMS')), new Set([1])],
    ['a frozen set', p.join(p.op('MARK'), p.int(1), p.op('FROZENSET')), new Set([1])],
    [
      'an ordered dict with attributes',
      p.build(
        p.join(
          p.call(p.global('collections', 'OrderedDict')),
          p.text('w'),
          p.int(1),
          p.op('SETITEM'),
        ),
        p.dict([p.text('_metadata'), p.dict()]),
      ),
      new Map([['w', 1]]),
    ],
    [
      'an ordered dict of pairs',
      p.call(
        p.global('collections', 'OrderedDict'),
        p.list(p.list(p.text('a'), p.int(1)), p.tuple(p.text('b'), p.int(2))),
      ),
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    ],
    ['torch.Size', p.call(p.global('torch', 'Size'), p.tuple(p.int(3))), new PickleTuple([3])],
    [
      'memo entries of any number',
      p.join(
        p.int(7),
        p.op('LONG_BINPUT', 0xff, 0xff, 0xff, 0xff),
        p.op('POP'),
        p.op('LONG_BINGET', 0xff, 0xff, 0xff, 0xff),
      ),
      7,
    ],
    [
      'MEMOIZE',
      p.join(p.int(7), p.op('MEMOIZE'), p.op('BINGET', 0), p.op('TUPLE2')),
      new PickleTuple([7, 7]),
    ],
    ['a frame', p.join(p.op('FRAME', 1, 0, 0, 0, 0, 0, 0, 0), p.none), null],
    [
      'DUP and POP_MARK',
      p.join(p.int(1), p.op('DUP'), p.op('MARK'), p.none, p.op('POP_MARK'), p.op('TUPLE2')),
      new PickleTuple([1, 1]),
    ],
    [
      'STACK_GLOBAL',
      p.join(p.text('torch'), p.text('FloatStorage'), p.op('STACK_GLOBAL')),
      new PickleGlobal('torch.FloatStorage', { storageDType: 'F32' }),
    ],
  ])('%s', (_what, piece, expected) => {
    expect(load(p.pickle(piece, 4))).toEqual(expected);
  });

  it('argparse.Namespace is a record of its fields', () => {
    const fields = p.dict([p.text('lr'), p.float(1e-4)], [p.text('__class__'), p.text('x')]);
    const value = load(p.pickle(p.build(p.newObject(p.global('argparse', 'Namespace')), fields)));
    expect(value).toBeInstanceOf(PickleRecord);
    expect(Object.entries(toPlainJson(value, 'args') as object)).toEqual([
      ['lr', 1e-4],
      ['__class__', 'x'],
    ]);
  });

  it('plain JSON has a form for everything', () => {
    const value = p.dict(
      [p.text('__proto__'), p.tuple(p.int(1), p.long(2n ** 60n))],
      [p.int(3), p.float(Number.POSITIVE_INFINITY)],
      [p.none, p.op('SHORT_BINBYTES', 2, 1, 2)],
      [p.op('EMPTY_TUPLE'), p.global('torch', 'HalfStorage')],
    );
    expect(JSON.stringify(toPlainJson(load(p.pickle(value)), 'args'))).toBe(
      '{"3":"Infinity","__proto__":[1,"1152921504606846976"],"null":"2 bytes","(object)":"torch.HalfStorage"}',
    );
  });
});

const ordered = p.global('collections', 'OrderedDict');
const namespace = p.global('argparse', 'Namespace');
/** A list of `n` pairs in the memo, and the opcodes that make one more dict of it. */
function copies(n: number, times: number): p.Piece {
  const pairs = p.list(...repeat(p.list(p.text('k'), p.none), n));
  const again = p.join(ordered, p.op('BINGET', 0), p.op('TUPLE1'), p.op('REDUCE'), p.op('POP'));
  return p.join(pairs, p.op('BINPUT', 0), ...repeat(again, times));
}

/** One byte each: a container or a memo entry, of which each takes far more memory. */
const floodOf = (name: 'EMPTY_DICT' | 'MEMOIZE') =>
  p.pickle(p.join(p.none, new Uint8Array(1_000_001).fill(OPCODES[name])), 4);

describe('refusing', () => {
  it.each<[string, Uint8Array, RegExp]>([
    [
      'os.system',
      p.pickle(p.call(p.global('os', 'system'), p.text('echo owned'))),
      /refers to "os\.system", which is not on the list .* nothing was executed/,
    ],
    ['posix.system', p.pickle(p.call(p.global('posix', 'system'), p.text('x'))), /"posix\.system"/],
    ['eval', p.pickle(p.call(p.global('builtins', 'eval'), p.text('1'))), /"builtins\.eval"/],
    ['getattr', p.pickle(p.global('__builtin__', 'getattr')), /"__builtin__\.getattr"/],
    [
      'an attribute of an allowed class',
      p.pickle(p.global('torch', 'Size.__init__')),
      /"torch\.Size\.__init__"/,
    ],
    [
      'an inherited member of a table',
      p.pickle(p.global('torch', 'constructor')),
      /"torch\.constructor"/,
    ],
    ['torch.load', p.pickle(p.global('torch', 'load')), /"torch\.load"/],
    [
      'a global by stack',
      p.pickle(p.join(p.text('os'), p.text('system'), p.op('STACK_GLOBAL')), 4),
      /"os\.system"/,
    ],
    ['control characters in a name', p.pickle(p.global('os\u001b[2J', 'x')), /os\\u001b\[2J/],
    [
      'calling a storage class',
      p.pickle(p.call(p.global('torch', 'FloatStorage'))),
      /calls torch\.FloatStorage/,
    ],
    ['calling a value', p.pickle(p.call(p.int(1))), /calls something that is no class/],
    ['making a dict by NEWOBJ', p.pickle(p.newObject(ordered)), /makes an object of collections/],
    [
      'a namespace with arguments',
      p.pickle(p.join(namespace, p.tuple(p.int(1)), p.op('NEWOBJ'))),
      /with arguments/,
    ],
    [
      'named arguments',
      p.pickle(
        p.join(namespace, p.op('EMPTY_TUPLE'), p.dict([p.text('a'), p.none]), p.op('NEWOBJ_EX')),
        4,
      ),
      /named arguments/,
    ],
    ['a state that is no dict', p.pickle(p.build(p.newObject(namespace), p.list())), /no dict/],
    [
      'a state for a list',
      p.pickle(p.build(p.list(), p.dict())),
      /fields of something that has none/,
    ],
    [
      'a state twice',
      p.pickle(p.build(p.build(p.newObject(namespace), p.dict()), p.dict())),
      /sets the fields of argparse\.Namespace twice/,
    ],
    [
      'an opcode of a registry of code',
      p.pickle(bytes(0x82, 1)),
      /opcode 0x82, which is not allowed/,
    ],
    ['INST', p.pickle(Buffer.from('(ios\nsystem\n', 'latin1')), /opcode 0x69/],
    ['OBJ', p.pickle(p.join(p.op('MARK'), ordered, bytes(0x6f))), /opcode 0x6f/],
    ['a text opcode of protocol 0', p.pickle(Buffer.from('I1\n', 'latin1')), /opcode 0x49/],
    ['an opcode that does not exist', p.pickle(bytes(0)), /opcode 0x00/],
    ['a second PROTO', p.pickle(p.op('PROTO', 2)), /opcode 0x80/],
    ['nothing at all', bytes(), /ends early/],
    ['no protocol', bytes(0x4e, 0x2e), /is no pickle of protocol 2 to 5/],
    ['a protocol of the future', p.pickle(p.none, 6), /has protocol 6/],
    ['an empty result', p.join(p.op('PROTO', 2), p.op('STOP')), /empty stack/],
    ['no end', p.join(p.op('PROTO', 2), p.none), /ends early/],
    ['bytes after the end', p.join(p.pickle(p.none), p.none), /goes on after its end/],
    ['values left over', p.pickle(p.join(p.none, p.none)), /unfinished/],
    ['a mark left over', p.pickle(p.join(p.op('MARK'), p.none)), /unfinished/],
    ['a pop below a mark', p.pickle(p.join(p.none, p.op('MARK'), p.op('POP'))), /empty stack/],
    ['an empty stack', p.pickle(p.op('TUPLE2')), /empty stack/],
    ['a mark that is not there', p.pickle(p.op('TUPLE')), /was not opened/],
    ['an append to a tuple', p.pickle(p.join(p.tuple(), p.none, p.op('APPEND'))), /no list/],
    ['an item of a list', p.pickle(p.join(p.list(), p.none, p.none, p.op('SETITEM'))), /no dict/],
    [
      'an addition to a list',
      p.pickle(p.join(p.list(), p.op('MARK'), p.op('ADDITEMS')), 4),
      /no set/,
    ],
    [
      'a key without a value',
      p.pickle(p.join(p.op('MARK'), p.none, p.op('DICT'))),
      /without a value/,
    ],
    ['a list as a key', p.pickle(p.dict([p.list(), p.none])), /mutable value as a key/],
    ['a memo entry that is not there', p.pickle(p.op('BINGET', 3)), /refers to the value 3/],
    ['an integer of 2 GB', p.pickle(p.op('LONG4', 0, 0, 0, 0x7f)), /integer of 2130706432 bytes/],
    [
      'an integer of negative length',
      p.pickle(p.op('LONG4', 0xff, 0xff, 0xff, 0xff)),
      /integer of 4294967295/,
    ],
    [
      'an integer of 257 bytes',
      p.pickle(p.join(p.op('LONG4', 1, 1, 0, 0), new Uint8Array(257))),
      /integer of 257/,
    ],
    ['text of 4 GB', p.pickle(p.op('BINUNICODE', 0xff, 0xff, 0xff, 0xff)), /4294967295 more bytes/],
    [
      'bytes of 2^64',
      p.pickle(p.op('BINBYTES8', ...Array(8).fill(255)), 4),
      /more bytes are expected/,
    ],
    ['a frame beyond the end', p.pickle(p.op('FRAME', ...Array(8).fill(127)), 4), /more bytes/],
    [
      'a name without an end',
      p.join(p.op('PROTO', 2), p.op('GLOBAL'), Buffer.from('os')),
      /inside a name/,
    ],
    ['text that is not UTF-8', p.pickle(p.op('SHORT_BINUNICODE', 1, 0xff)), /not valid UTF-8/],
    [
      'containers in containers',
      p.pickle(p.join(repeat(p.op('MARK'), 100_000))),
      /more than 1000 containers/,
    ],
    ['copies without end', p.pickle(copies(10_000, 10_000)), /more work than its size allows/],
    ['dicts without end', floodOf('EMPTY_DICT'), /more than 1000000 objects/],
    ['memo entries without end', floodOf('MEMOIZE'), /more than 1000000 objects/],
    ['an OrderedDict of numbers', p.pickle(p.call(ordered, p.list(p.int(1)))), /list of pairs/],
    ['an OrderedDict of a number', p.pickle(p.call(ordered, p.int(1))), /list of pairs/],
    ['a tensor without a storage', p.pickle(p.tensor(p.int(1), 0, [1], [1])), /without a storage/],
    [
      'a parameter without a tensor',
      p.pickle(p.call(p.global('torch._utils', '_rebuild_parameter'), p.none)),
      /parameter without a tensor/,
    ],
  ])('%s', (_what, pickle, message) => {
    const error = errorOf(() => load(pickle));
    expect(error).toBeInstanceOf(FileFormatError);
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/^data\.pkl .*\.$/);
  });

  it('survives values that are deep, endless or that contain themselves', () => {
    const deep = load(p.pickle(p.join(p.none, repeat(p.op('TUPLE1'), 200_000))));
    expect(() => toPlainJson(deep, 'args')).toThrow(/nested deeper than 100/);
    const self = load(
      p.pickle(p.join(p.op('EMPTY_LIST'), p.op('BINPUT', 0), p.op('BINGET', 0), p.op('APPEND'))),
    );
    expect(() => toPlainJson(self, 'args')).toThrow(FileFormatError);
    // Every level holds the one below twice: 2^60 values in 240 bytes.
    const doubled = load(p.pickle(p.join(p.none, repeat(p.join(p.op('DUP'), p.op('TUPLE2')), 60))));
    expect(() => toPlainJson(doubled, 'args')).toThrow(/more than 100000 values/);
  });
});
