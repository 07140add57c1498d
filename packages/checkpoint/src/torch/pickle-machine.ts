import type { PickleCursor } from './pickle-cursor.ts';
import type { PickleStack } from './pickle-stack.ts';
import type { PickleGlobal, PickleValue, Spend } from './pickle-value.ts';

/** What a pickle may refer to outside itself. */
export interface PickleContext {
  /** Begins every error message: file and record. */
  readonly where: string;
  /** The allowed global of this name; undefined refuses it. */
  findGlobal(module: string, attribute: string): PickleGlobal | undefined;
  /** The object behind a persistent id. */
  loadPersistent(id: PickleValue): PickleValue;
}

/** The state that opcodes work on. */
export interface PickleMachine {
  readonly cursor: PickleCursor;
  readonly stack: PickleStack;
  /** A Map, because a pickle may number its entries as it likes. */
  readonly memo: Map<number, PickleValue>;
  readonly context: PickleContext;
  readonly spend: Spend;
}

/** What each opcode does; an opcode that is in no table is refused. */
export type OpcodeTable = Readonly<Record<number, (machine: PickleMachine) => void>>;
