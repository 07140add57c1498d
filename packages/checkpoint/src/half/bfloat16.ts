import { bitsOf, fromBits } from './bits.ts';

/** Decodes bfloat16 bit patterns (the upper half of a float32); exact. */
export function decodeBFloat16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i] << 16;
  return fromBits(bits);
}

/** Encodes as bfloat16 bit patterns: nearest, ties to even, overflow to infinity, NaN stays NaN. */
export function encodeBFloat16(values: Float32Array): Uint16Array {
  const bits = bitsOf(values);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < halves.length; i++) halves[i] = encodeBits(bits[i]);
  return halves;
}

function encodeBits(bits: number): number {
  const upper = bits >>> 16;
  if ((bits & 0x7fffffff) > 0x7f800000) {
    // NaN: the upper payload bits are kept; one that would vanish must not turn into infinity.
    return (upper & 0x7f) === 0 ? upper | 0x40 : upper;
  }
  // Rounding up may carry into the exponent, which is the right neighbour (infinity included).
  return (bits + 0x7fff + (upper & 1)) >>> 16;
}
