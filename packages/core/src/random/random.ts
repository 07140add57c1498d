import { ArgumentError } from '../errors.ts';
import { portableCircle, portableLog } from './gaussian.ts';
import { philox4x32 } from './philox.ts';

/** A name for a sub-stream: `stream.derive('noise', 3, 7)`. Numbers are safe integers. */
export type StreamLabel = string | number;

/** Separates the key that hashes labels from the key that draws numbers. */
const LABEL_KEY = 0x5bd1e995;
const TAG_NUMBER = 1;
const TAG_TEXT = 2;
const TWO_32 = 4294967296;

/**
 * A stream of random numbers: Philox4x32-10 with the seed as key, a 64-bit stream id in the upper
 * half of the counter and the position in the lower half.
 *
 * What is guaranteed: the same seed, labels and calls give the same bits on every engine and
 * processor. All integers come from integer arithmetic, all floats from IEEE 754 `+ - * /` and
 * square root; `Math.log`, `Math.sin` and `Math.cos` are not used.
 *
 * Streams are addressed by name, not by order: `derive` depends on the seed and on the labels only,
 * never on how much was drawn. So the noise of trajectory 3, step 7 is
 * `root.derive('noise', 3, 7)`, whatever else was drawn before it. Different labels give
 * independent streams (ids are 64-bit hashes: two of a million streams share an id with a chance
 * of about 3e-8).
 */
export class RandomStream {
  readonly #key0: number;
  readonly #key1: number;
  #stream0 = 0;
  #stream1 = 0;
  #block = 0;
  #used = 4;
  #spare = Number.NaN;
  readonly #words = new Uint32Array(4);
  readonly #circle = new Float64Array(2);

  /**
   * @param seed integer, 0 to 2^53 - 1 as a number or 0 to 2^64 - 1 as a bigint
   * @param labels optional name of the stream; `new RandomStream(s, 'a')` equals
   *   `new RandomStream(s).derive('a')`
   * @throws ArgumentError for a seed or a label outside its range
   */
  constructor(seed: number | bigint, ...labels: StreamLabel[]) {
    const legal =
      typeof seed === 'bigint'
        ? seed >= 0n && seed < 1n << 64n
        : Number.isSafeInteger(seed) && seed >= 0;
    if (!legal) {
      throw new ArgumentError(
        `A seed must be an integer from 0 to 2^53 - 1 (2^64 - 1 as a bigint), not ${seed}.`,
      );
    }
    const bits = BigInt(seed);
    this.#key0 = Number(bits & 0xffffffffn);
    this.#key1 = Number(bits >> 32n);
    for (const label of labels) this.#absorb(label);
  }

  /**
   * The sub-stream of that name, at its start. `a.derive('x', 1)` equals `a.derive('x').derive(1)`;
   * the text `'1'` and the number `1` are different labels.
   *
   * @throws ArgumentError without labels, or for a number that is not a safe integer
   */
  derive(...labels: StreamLabel[]): RandomStream {
    if (labels.length === 0) throw new ArgumentError('derive() needs at least one label.');
    const child = new RandomStream((BigInt(this.#key1) << 32n) | BigInt(this.#key0));
    child.#stream0 = this.#stream0;
    child.#stream1 = this.#stream1;
    for (const label of labels) child.#absorb(label);
    return child;
  }

  /** The next integer, uniform on 0 .. 2^32 - 1. */
  uint32(): number {
    if (this.#used === 4) {
      const block = this.#block++;
      philox4x32(
        block >>> 0,
        Math.floor(block / TWO_32),
        this.#stream0,
        this.#stream1,
        this.#key0,
        this.#key1,
        this.#words,
      );
      this.#used = 0;
    }
    return this.#words[this.#used++] as number;
  }

  /** The next number, uniform on [0, 1), a multiple of 2^-53. Uses two integers of the stream. */
  uniform(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  /**
   * The next standard normal number, by Box and Muller's transform (1958): with u in (0, 1] and v
   * in [0, 1), `sqrt(-2 ln u)` times cos(2 pi v), then times sin(2 pi v). The second of each pair is
   * kept for the next call. u has 53 bits, so no value is beyond 8.58.
   */
  normal(): number {
    if (!Number.isNaN(this.#spare)) {
      const spare = this.#spare;
      this.#spare = Number.NaN;
      return spare;
    }
    const radius = Math.sqrt(-2 * portableLog(1 - this.uniform()));
    portableCircle(this.uniform(), this.#circle);
    this.#spare = radius * (this.#circle[1] as number);
    return radius * (this.#circle[0] as number);
  }

  /** Fills `out` with standard normal numbers, the same that as many calls of `normal` give. */
  fillNormal(out: Float32Array): Float32Array {
    for (let i = 0; i < out.length; i++) out[i] = this.normal();
    return out;
  }

  /**
   * The next integer, uniform on 0 .. n - 1, without bias (numbers of the incomplete last cycle
   * of n are drawn again).
   *
   * @throws ArgumentError when n is not an integer from 1 to 2^32
   */
  integer(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > TWO_32) {
      throw new ArgumentError(`integer(n) needs an integer n from 1 to 2^32, not ${n}.`);
    }
    const limit = TWO_32 - (TWO_32 % n);
    let value = this.uint32();
    while (value >= limit) value = this.uint32();
    return value % n;
  }

  /** The integers 0 .. n - 1 in random order. */
  permutation(n: number): Uint32Array {
    return this.sampleWithoutReplacement(n, n);
  }

  /**
   * `count` different integers of 0 .. n - 1 in random order: the first `count` steps of the
   * Fisher-Yates shuffle. Time and memory grow with `count`, not with `n`, while `count` is small.
   *
   * @throws ArgumentError when n or count is not an integer with 0 <= count <= n <= 2^32
   */
  sampleWithoutReplacement(n: number, count: number): Uint32Array {
    if (!Number.isInteger(n) || n < 0 || n > TWO_32) {
      throw new ArgumentError(`A sample needs an integer population from 0 to 2^32, not ${n}.`);
    }
    if (!Number.isInteger(count) || count < 0 || count > n) {
      throw new ArgumentError(`Cannot draw ${count} different integers from ${n}.`);
    }
    const sample = new Uint32Array(count);
    if (count * 8 < n) {
      // Sparse: only the places that a swap has changed are stored.
      const moved = new Map<number, number>();
      for (let i = 0; i < count; i++) {
        const j = i + this.integer(n - i);
        sample[i] = moved.get(j) ?? j;
        moved.set(j, moved.get(i) ?? i);
      }
      return sample;
    }
    const deck = new Uint32Array(n);
    for (let i = 0; i < n; i++) deck[i] = i;
    for (let i = 0; i < count; i++) {
      const j = i + this.integer(n - i);
      const drawn = deck[j] as number;
      deck[j] = deck[i] as number;
      deck[i] = drawn;
      sample[i] = drawn;
    }
    return sample;
  }

  /** Hashes one label into the stream id: its kind and length first, then its bits, 64 at a time. */
  #absorb(label: StreamLabel): void {
    if (typeof label === 'number') {
      if (!Number.isSafeInteger(label)) {
        throw new ArgumentError(`A numeric stream label must be a safe integer, not ${label}.`);
      }
      this.#mix(TAG_NUMBER, 0);
      this.#mix(label >>> 0, Math.floor(label / TWO_32) >>> 0);
      return;
    }
    this.#mix(TAG_TEXT, label.length);
    for (let i = 0; i < label.length; i += 4) {
      this.#mix(codeUnits(label, i), codeUnits(label, i + 2));
    }
  }

  #mix(word0: number, word1: number): void {
    const out = this.#words;
    const key = this.#key0 ^ LABEL_KEY;
    philox4x32(word0, word1, this.#stream0, this.#stream1, key, this.#key1, out);
    this.#stream0 = out[0] as number;
    this.#stream1 = out[1] as number;
  }
}

/** Two UTF-16 code units as one word; past the end they count as zero. */
function codeUnits(text: string, at: number): number {
  const low = at < text.length ? text.charCodeAt(at) : 0;
  const high = at + 1 < text.length ? text.charCodeAt(at + 1) : 0;
  return (low | (high << 16)) >>> 0;
}
