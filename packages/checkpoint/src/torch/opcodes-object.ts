import { quote } from '../io/describe.ts';
import { OPCODES as OP } from './opcodes.ts';
import type { OpcodeTable, PickleMachine } from './pickle-machine.ts';
import { PickleRecord, PickleTuple, type PickleValue } from './pickle-value.ts';

/** Opcodes that move values about, and those that refer to names outside the pickle. */
export const OBJECT_OPCODES: OpcodeTable = {
  [OP.MARK]: ({ stack }) => stack.setMark(),
  [OP.POP]: ({ stack }) => {
    stack.pop();
  },
  [OP.POP_MARK]: ({ stack }) => {
    stack.popToMark();
  },
  [OP.DUP]: ({ stack }) => stack.push(stack.top()),

  [OP.BINPUT]: ({ memo, cursor, stack }) => memo.set(cursor.uint8(), stack.top()),
  [OP.LONG_BINPUT]: ({ memo, cursor, stack }) => memo.set(cursor.uint32(), stack.top()),
  [OP.MEMOIZE]: ({ memo, stack }) => memo.set(memo.size, stack.top()),
  [OP.BINGET]: (machine) => pushMemo(machine, machine.cursor.uint8()),
  [OP.LONG_BINGET]: (machine) => pushMemo(machine, machine.cursor.uint32()),

  // A frame is a hint for readers of streams; its length only has to be possible.
  [OP.FRAME]: ({ cursor }) => cursor.requireLeft(cursor.length64()),

  [OP.GLOBAL]: (machine) => {
    const module = machine.cursor.line();
    pushGlobal(machine, module, machine.cursor.line());
  },
  [OP.STACK_GLOBAL]: (machine) => {
    const attribute = popString(machine);
    pushGlobal(machine, popString(machine), attribute);
  },
  [OP.BINPERSID]: ({ stack, context }) => stack.push(context.loadPersistent(stack.pop())),

  [OP.REDUCE]: (machine) => {
    const args = popTuple(machine);
    const callee = machine.stack.popGlobal();
    if (callee.call === undefined) return machine.cursor.fail(`calls ${callee.name}`);
    machine.stack.push(callee.call(args.items, machine.spend));
  },
  [OP.NEWOBJ]: (machine) => {
    const args = popTuple(machine);
    newObject(machine, args);
  },
  [OP.NEWOBJ_EX]: (machine) => {
    const named = machine.stack.pop();
    if (!(named instanceof Map) || named.size > 0) {
      machine.cursor.fail('makes an object with named arguments');
    }
    newObject(machine, popTuple(machine));
  },
  [OP.BUILD]: ({ stack, cursor }) => {
    const state = stack.pop();
    const object = stack.top();
    if (!(state instanceof Map)) return cursor.fail('sets fields that are no dict');
    // An OrderedDict may carry attributes (a state dict has `_metadata`); they hold no tensor.
    if (object instanceof Map) return;
    if (!(object instanceof PickleRecord))
      return cursor.fail('sets fields of something that has none');
    if (object.fields !== undefined)
      return cursor.fail(`sets the fields of ${object.typeName} twice`);
    object.fields = state;
  },
};

function pushMemo(machine: PickleMachine, index: number): void {
  const value = machine.memo.get(index);
  if (value === undefined) {
    machine.cursor.fail(`refers to the value ${index}, which was not stored`);
  }
  machine.stack.push(value);
}

function pushGlobal(machine: PickleMachine, module: string, attribute: string): void {
  const found = machine.context.findGlobal(module, attribute);
  if (found === undefined) {
    const name = quote(`${module}.${attribute}`);
    machine.cursor.fail(
      `refers to ${name}, which is not on the list of what a checkpoint may hold; nothing was executed, and saving only the state dict avoids it`,
    );
  }
  machine.stack.push(found);
}

function newObject(machine: PickleMachine, args: PickleTuple): void {
  const type = machine.stack.popGlobal();
  if (type.create === undefined) machine.cursor.fail(`makes an object of ${type.name}`);
  if (args.items.length > 0) machine.cursor.fail(`makes ${type.name} with arguments`);
  machine.stack.push(type.create());
}

function popTuple({ stack, cursor }: PickleMachine): PickleTuple {
  const value: PickleValue = stack.pop();
  if (!(value instanceof PickleTuple)) return cursor.fail('needs a tuple of arguments');
  return value;
}

function popString({ stack, cursor }: PickleMachine): string {
  const value = stack.pop();
  if (typeof value !== 'string') return cursor.fail('needs a string for the name of a global');
  return value;
}
