import { FileFormatError } from '@vq4dit/core';

/** Tensors, or pieces of metadata, at most: far more than any model has; bounds the memory. */
const MAX_KEYS = 250_000;

/**
 * Reads JSON from left to right for a caller that knows what has to come. The header of a
 * safetensors file has one fixed form; reading exactly that form, instead of any JSON, refuses
 * what `JSON.parse` lets through (duplicate keys, fractions) and never builds what is not allowed
 * (deep nesting, huge values).
 */
export class JsonCursor {
  readonly #text: string;
  readonly #where: string;
  #at = 0;

  /** `where` begins every error message. */
  constructor(text: string, where: string) {
    this.#text = text;
    this.#where = where;
  }

  fail(problem: string): never {
    throw new FileFormatError(`${this.#where} ${problem} (character ${this.#at}).`);
  }

  /** Reads `{ "key": value, ... }`; `readValue` reads each value. Refuses a key that comes twice. */
  readObject(readValue: (key: string) => void): void {
    const seen = new Set<string>();
    this.#expect('{');
    if (this.#accept('}')) return;
    do {
      const key = this.readString();
      if (seen.size === MAX_KEYS) this.fail(`has more than ${MAX_KEYS} keys in one object`);
      if (seen.has(key)) this.fail(`has the key ${JSON.stringify(key.slice(0, 120))} twice`);
      seen.add(key);
      this.#expect(':');
      readValue(key);
    } while (this.#accept(','));
    this.#expect('}');
  }

  /** Reads `[1, 2, ...]` of at most `limit` non-negative integers. */
  readIntegers(limit: number): number[] {
    const values: number[] = [];
    this.#expect('[');
    if (this.#accept(']')) return values;
    do {
      if (values.length === limit) this.fail(`has a list of more than ${limit} numbers`);
      values.push(this.#readInteger());
    } while (this.#accept(','));
    this.#expect(']');
    return values;
  }

  readString(): string {
    this.#skipSpace();
    const start = this.#at;
    if (this.#text[start] !== '"') this.fail('needs a string');
    let at = start + 1;
    for (;;) {
      const code = this.#text.charCodeAt(at);
      if (Number.isNaN(code)) this.fail('has a string without an end');
      if (code === 0x22) break;
      at += code === 0x5c ? 2 : 1;
    }
    const value = this.#unescape(this.#text.slice(start, at + 1));
    this.#at = at + 1;
    return value;
  }

  /** Only white space may be left. */
  end(): void {
    this.#skipSpace();
    if (this.#at !== this.#text.length) this.fail('goes on after its last brace');
  }

  #readInteger(): number {
    this.#skipSpace();
    let end = this.#at;
    while (/[-+.\w]/.test(this.#text[end] ?? '') && end - this.#at < 40) end++;
    const digits = this.#text.slice(this.#at, end);
    if (!/^(0|[1-9]\d*)$/.test(digits))
      this.fail(`has ${JSON.stringify(digits)} for an integer >= 0`);
    const value = Number(digits);
    if (!Number.isSafeInteger(value)) this.fail(`has the number ${digits}, which is too large`);
    this.#at = end;
    return value;
  }

  #unescape(token: string): string {
    let value: unknown;
    try {
      value = JSON.parse(token);
    } catch {
      this.fail('has a string that is not legal JSON');
    }
    // `\ud800` alone is legal JSON but no text.
    if (typeof value !== 'string' || /\p{Surrogate}/u.test(value)) {
      this.fail('has a string that is not legal Unicode');
    }
    return value;
  }

  #accept(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #expect(character: string): void {
    if (!this.#accept(character)) this.fail(`needs ${JSON.stringify(character)}`);
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }
}
