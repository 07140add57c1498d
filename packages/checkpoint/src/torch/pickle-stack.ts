import type { PickleCursor } from './pickle-cursor.ts';
import { type PickleDict, PickleGlobal, type PickleValue } from './pickle-value.ts';

/** Containers that are open at once; real files nest a handful. */
const MAX_MARKS = 1000;

/** The unpickler's stack: values, and marks that collect the items of a container. */
export class PickleStack {
  readonly #cursor: PickleCursor;
  readonly #values: PickleValue[] = [];
  /** Heights of the stack at which marks were set. */
  readonly #marks: number[] = [];

  constructor(cursor: PickleCursor) {
    this.#cursor = cursor;
  }

  get isEmpty(): boolean {
    return this.#values.length === 0 && this.#marks.length === 0;
  }

  push(value: PickleValue): void {
    this.#values.push(value);
  }

  top(): PickleValue {
    const value = this.#values.at(-1);
    // Values below an open mark are out of reach.
    if (value === undefined || this.#values.length === this.#marks.at(-1)) {
      this.#cursor.fail('takes a value from an empty stack');
    }
    return value;
  }

  pop(): PickleValue {
    const value = this.top();
    this.#values.pop();
    return value;
  }

  setMark(): void {
    if (this.#marks.length === MAX_MARKS) {
      this.#cursor.fail(`nests more than ${MAX_MARKS} containers`);
    }
    this.#marks.push(this.#values.length);
  }

  /** Takes all values above the last mark, and the mark. */
  popToMark(): PickleValue[] {
    const mark = this.#marks.pop();
    if (mark === undefined) this.#cursor.fail('closes a container that was not opened');
    return this.#values.splice(mark);
  }

  popGlobal(): PickleGlobal {
    const value = this.pop();
    if (!(value instanceof PickleGlobal)) this.#cursor.fail('calls something that is no class');
    return value;
  }

  topList(): PickleValue[] {
    const value = this.top();
    if (!Array.isArray(value)) this.#cursor.fail('appends to something that is no list');
    return value;
  }

  topDict(): PickleDict {
    const value = this.top();
    if (!(value instanceof Map)) this.#cursor.fail('sets an item of something that is no dict');
    return value;
  }

  topSet(): Set<PickleValue> {
    const value = this.top();
    if (!(value instanceof Set)) this.#cursor.fail('adds to something that is no set');
    return value;
  }
}
