import { FileFormatError } from '@vq4dit/core';

/** Longest integer that is taken, in bytes; 2048 bits are far beyond any seed or count. */
const MAX_INTEGER_BYTES = 256;

/** Reads the arguments of opcodes; every length is checked against the bytes that are left. */
export class PickleCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #where: string;
  #at = 0;

  constructor(bytes: Uint8Array, where: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#where = where;
  }

  fail(problem: string): never {
    throw new FileFormatError(`${this.#where} ${problem} (byte ${this.#at}).`);
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.byteLength;
  }

  requireLeft(length: number): void {
    if (length > this.#bytes.byteLength - this.#at) {
      this.fail(`ends early: ${length} more bytes are expected`);
    }
  }

  uint8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  /** Big-endian, unlike everything else. */
  float64(): number {
    return this.#view.getFloat64(this.#advance(8), false);
  }

  /** A length of eight bytes; one that is not exact is certainly too long. */
  length64(): number {
    return Number(this.#view.getBigUint64(this.#advance(8), true));
  }

  bytes(length: number): Uint8Array {
    const start = this.#advance(length);
    return this.#bytes.slice(start, start + length);
  }

  text(length: number): string {
    const start = this.#advance(length);
    return this.#decode(this.#bytes.subarray(start, start + length));
  }

  /** Text up to a line feed. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end === -1) this.fail('ends inside a name');
    const text = this.text(end - this.#at);
    this.#at++;
    return text;
  }

  /** A signed little-endian integer: a number where that is exact, else a bigint. */
  integer(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES) {
      this.fail(`has an integer of ${length} bytes; ${MAX_INTEGER_BYTES} are allowed`);
    }
    const start = this.#advance(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[start + i]);
    const signed = BigInt.asIntN(8 * length, value);
    const number = Number(signed);
    return Number.isSafeInteger(number) ? number : signed;
  }

  #decode(bytes: Uint8Array): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return this.fail('has text that is not valid UTF-8');
    }
  }

  #advance(length: number): number {
    this.requireLeft(length);
    const start = this.#at;
    this.#at = start + length;
    return start;
  }
}
