import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBFloat16, decodeFloat16, encodeBFloat16, encodeFloat16 } from '../src/index.ts';
import { expectSameBits } from './support/sources.ts';

const everyPattern = Uint16Array.from({ length: 65536 }, (_, i) => i);

/** The value of a bit pattern, straight from the definition of the format. */
function definition(pattern: number, exponentBits: number): number {
  const mantissaBits = 15 - exponentBits;
  const sign = pattern & 0x8000 ? -1 : 1;
  const exponent = (pattern >> mantissaBits) & ((1 << exponentBits) - 1);
  const mantissa = pattern & ((1 << mantissaBits) - 1);
  const bias = (1 << (exponentBits - 1)) - 1;
  const scale = 2 ** -mantissaBits;
  if (exponent === (1 << exponentBits) - 1) {
    return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  }
  if (exponent === 0) return sign * mantissa * scale * 2 ** (1 - bias);
  return sign * (1 + mantissa * scale) * 2 ** (exponent - bias);
}

const formats = [
  { name: 'float16', exponentBits: 5, decode: decodeFloat16, encode: encodeFloat16 },
  { name: 'bfloat16', exponentBits: 8, decode: decodeBFloat16, encode: encodeBFloat16 },
];

describe.each(formats)('$name', ({ exponentBits, decode, encode }) => {
  const values = decode(everyPattern);
  // All finite values >= 0 in rising order: their patterns are 0 .. infinity - 1.
  const infinity = ((1 << exponentBits) - 1) << (15 - exponentBits);
  // What would follow the largest finite value, had the format one more exponent.
  const afterLargest = 2 * definition(infinity - (1 << (15 - exponentBits)), exponentBits);

  /** The nearest pattern by comparing distances in float64, where all of them are exact. */
  function nearest(value: number): number {
    const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
    const magnitude = Math.abs(value);
    let low = 0;
    let high = infinity;
    const at = (pattern: number) => (pattern === infinity ? afterLargest : values[pattern]!);
    if (magnitude >= afterLargest) return sign | infinity;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (at(middle) <= magnitude) low = middle;
      else high = middle;
    }
    const below = magnitude - at(low);
    const above = at(high) - magnitude;
    const up = above < below || (above === below && low % 2 === 1);
    return sign | (up ? high : low);
  }

  it('decodes all 65536 patterns to the value that defines them', () => {
    const defined = Float32Array.from(everyPattern, (pattern) => definition(pattern, exponentBits));
    const isNaNs = (array: Float32Array) =>
      Uint16Array.from(array, (value) => +Number.isNaN(value));
    expectSameBits(isNaNs(values), isNaNs(defined));
    const zeroNaN = (array: Float32Array) =>
      array.map((value) => (Number.isNaN(value) ? 0 : value));
    expectSameBits(zeroNaN(values), zeroNaN(defined));
  });

  it('encodes every decoded pattern back to itself, NaN payloads and -0 included', () => {
    expectSameBits(encode(values), everyPattern);
  });

  it('rounds midpoints between neighbours to even, and everything beside them to the nearest', () => {
    const around: number[] = [];
    for (let pattern = 0; pattern < infinity; pattern++) {
      const next = pattern + 1 === infinity ? afterLargest : values[pattern + 1]!;
      const middle = Math.fround((values[pattern]! + next) / 2);
      const bits = new Uint32Array(Float32Array.of(middle).buffer);
      const beside = new Float32Array(Uint32Array.of(bits[0]! - 1, bits[0]! + 1).buffer);
      around.push(middle, beside[0]!, beside[1]!);
    }
    const input = Float32Array.from([...around, ...around.map((value) => -value)]);
    expectSameBits(encode(input), Uint16Array.from(input, nearest));
  });

  it('rounds any float32 to the nearest pattern', () => {
    const float32 = fc.oneof(
      fc.float(),
      fc.nat(0xffffffff).map((bits) => new Float32Array(Uint32Array.of(bits).buffer)[0]!),
    );
    fc.assert(
      fc.property(float32, (value) => {
        const pattern = encode(Float32Array.of(value))[0]!;
        if (Number.isNaN(value)) expect(values[pattern]).toBeNaN();
        else expect(pattern).toBe(nearest(value));
      }),
      { numRuns: 5000 },
    );
  });

  it('keeps a NaN whose payload is lost a NaN', () => {
    const smallPayload = new Float32Array(Uint32Array.of(0x7f800001, 0xff800001).buffer);
    expect(Array.from(decode(encode(smallPayload)))).toEqual([Number.NaN, Number.NaN]);
  });
});
