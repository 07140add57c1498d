import { ALLOCATING_OPCODES, OPCODES } from './opcodes.ts';
import { DATA_OPCODES } from './opcodes-data.ts';
import { OBJECT_OPCODES } from './opcodes-object.ts';
import { PickleCursor } from './pickle-cursor.ts';
import type { OpcodeTable, PickleContext, PickleMachine } from './pickle-machine.ts';
import { PickleStack } from './pickle-stack.ts';
import type { PickleValue } from './pickle-value.ts';

/**
 * Work that a byte of the pickle may cause at most. An opcode is one step; only copying (a dict
 * that is made from a list) costs more, and a copied list can be used again through the memo.
 */
const STEPS_PER_BYTE = 16;

/**
 * Containers, objects and memo entries at most. One of them takes a byte of the pickle but up to a
 * few hundred bytes of memory; a tensor takes about twenty, and no checkpoint has 50 000.
 */
const MAX_OBJECTS = 1_000_000;

const TABLE: OpcodeTable = { ...DATA_OPCODES, ...OBJECT_OPCODES };

/**
 * Reads a pickle and builds plain data. Nothing of it is executed: the only callables are those
 * that `context.findGlobal` allows, and they are functions of this package. The machine has no
 * recursion, and its work and memory are bounded by the size of the pickle.
 *
 * @throws FileFormatError for a pickle that is malformed or asks for anything that is not allowed
 */
export function unpickle(bytes: Uint8Array, context: PickleContext): PickleValue {
  const cursor = new PickleCursor(bytes, context.where);
  let objectsLeft = MAX_OBJECTS;
  let stepsLeft = STEPS_PER_BYTE * bytes.byteLength;
  const machine: PickleMachine = {
    cursor,
    stack: new PickleStack(cursor),
    memo: new Map(),
    context,
    spend(steps) {
      stepsLeft -= steps;
      if (stepsLeft < 0) cursor.fail('asks for more work than its size allows');
    },
  };
  readProtocol(cursor);
  for (;;) {
    const opcode = cursor.uint8();
    if (opcode === OPCODES.STOP) break;
    machine.spend(1);
    if (ALLOCATING_OPCODES.has(opcode) && --objectsLeft < 0) {
      cursor.fail(`makes more than ${MAX_OBJECTS} objects`);
    }
    const run = TABLE[opcode];
    if (run === undefined) {
      cursor.fail(`has the opcode 0x${opcode.toString(16).padStart(2, '0')}, which is not allowed`);
    }
    run(machine);
  }
  const value = machine.stack.pop();
  if (!machine.stack.isEmpty) cursor.fail('stops with unfinished values');
  if (!cursor.atEnd) cursor.fail('goes on after its end');
  return value;
}

function readProtocol(cursor: PickleCursor): void {
  if (cursor.uint8() !== OPCODES.PROTO) cursor.fail('is no pickle of protocol 2 to 5');
  const protocol = cursor.uint8();
  if (protocol < 2 || protocol > 5) cursor.fail(`has protocol ${protocol}; 2 to 5 are supported`);
}
