import { OPCODES as OP } from './opcodes.ts';
import type { OpcodeTable, PickleMachine } from './pickle-machine.ts';
import { type PickleDict, PickleTuple, type PickleValue } from './pickle-value.ts';

/** Opcodes that make values: constants, numbers, text and containers. */
export const DATA_OPCODES: OpcodeTable = {
  [OP.NONE]: ({ stack }) => stack.push(null),
  [OP.NEWTRUE]: ({ stack }) => stack.push(true),
  [OP.NEWFALSE]: ({ stack }) => stack.push(false),
  [OP.BININT]: ({ stack, cursor }) => stack.push(cursor.int32()),
  [OP.BININT1]: ({ stack, cursor }) => stack.push(cursor.uint8()),
  [OP.BININT2]: ({ stack, cursor }) => stack.push(cursor.uint16()),
  [OP.LONG1]: ({ stack, cursor }) => stack.push(cursor.integer(cursor.uint8())),
  // A negative length reads as one that is far too long, here and below.
  [OP.LONG4]: ({ stack, cursor }) => stack.push(cursor.integer(cursor.uint32())),
  [OP.BINFLOAT]: ({ stack, cursor }) => stack.push(cursor.float64()),

  [OP.SHORT_BINUNICODE]: ({ stack, cursor }) => stack.push(cursor.text(cursor.uint8())),
  [OP.BINUNICODE]: ({ stack, cursor }) => stack.push(cursor.text(cursor.uint32())),
  [OP.BINUNICODE8]: ({ stack, cursor }) => stack.push(cursor.text(cursor.length64())),
  [OP.SHORT_BINBYTES]: ({ stack, cursor }) => stack.push(cursor.bytes(cursor.uint8())),
  [OP.BINBYTES]: ({ stack, cursor }) => stack.push(cursor.bytes(cursor.uint32())),
  [OP.BINBYTES8]: ({ stack, cursor }) => stack.push(cursor.bytes(cursor.length64())),
  [OP.BYTEARRAY8]: ({ stack, cursor }) => stack.push(cursor.bytes(cursor.length64())),

  [OP.EMPTY_TUPLE]: ({ stack }) => stack.push(new PickleTuple([])),
  [OP.TUPLE1]: (machine) => pushTuple(machine, 1),
  [OP.TUPLE2]: (machine) => pushTuple(machine, 2),
  [OP.TUPLE3]: (machine) => pushTuple(machine, 3),
  [OP.TUPLE]: ({ stack }) => stack.push(new PickleTuple(stack.popToMark())),

  [OP.EMPTY_LIST]: ({ stack }) => stack.push([]),
  [OP.LIST]: ({ stack }) => stack.push(stack.popToMark()),
  [OP.APPEND]: ({ stack }) => {
    const item = stack.pop();
    stack.topList().push(item);
  },
  [OP.APPENDS]: ({ stack }) => {
    const items = stack.popToMark();
    const list = stack.topList();
    for (const item of items) list.push(item);
  },

  [OP.EMPTY_DICT]: ({ stack }) => stack.push(new Map()),
  [OP.DICT]: (machine) => {
    const dict: PickleDict = new Map();
    setItems(machine, dict, machine.stack.popToMark());
    machine.stack.push(dict);
  },
  [OP.SETITEM]: (machine) => {
    const value = machine.stack.pop();
    const key = machine.stack.pop();
    setItems(machine, machine.stack.topDict(), [key, value]);
  },
  [OP.SETITEMS]: (machine) => {
    const items = machine.stack.popToMark();
    setItems(machine, machine.stack.topDict(), items);
  },

  [OP.EMPTY_SET]: ({ stack }) => stack.push(new Set()),
  [OP.FROZENSET]: (machine) => {
    const set = new Set<PickleValue>();
    addItems(machine, set, machine.stack.popToMark());
    machine.stack.push(set);
  },
  [OP.ADDITEMS]: (machine) => {
    const items = machine.stack.popToMark();
    addItems(machine, machine.stack.topSet(), items);
  },
};

function pushTuple({ stack }: PickleMachine, length: 1 | 2 | 3): void {
  const items: PickleValue[] = [];
  for (let i = 0; i < length; i++) items.unshift(stack.pop());
  stack.push(new PickleTuple(items));
}

function setItems(machine: PickleMachine, dict: PickleDict, items: readonly PickleValue[]): void {
  if (items.length % 2 !== 0) machine.cursor.fail('sets a key without a value');
  for (let i = 0; i < items.length; i += 2) {
    dict.set(requireKey(machine, items[i]), items[i + 1]);
  }
}

function addItems(
  machine: PickleMachine,
  set: Set<PickleValue>,
  items: readonly PickleValue[],
): void {
  for (const item of items) set.add(requireKey(machine, item));
}

/** What Python cannot hash may not be a key. */
function requireKey({ cursor }: PickleMachine, key: PickleValue): PickleValue {
  const mutable =
    Array.isArray(key) || key instanceof Map || key instanceof Set || key instanceof Uint8Array;
  if (mutable) cursor.fail('uses a mutable value as a key');
  return key;
}
