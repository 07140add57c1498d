import { bitsOf, fromBits } from './bits.ts';

/** float32 bit pattern of every float16 bit pattern; 256 KiB, built at first use. */
let table: Uint32Array | undefined;

function decodeTable(): Uint32Array {
  if (table !== undefined) return table;
  table = new Uint32Array(65536);
  for (let half = 0; half < 65536; half++) table[half] = decodeBits(half);
  return table;
}

/** IEEE 754 binary16 to binary32, on bit patterns; exact, payloads of NaN are kept. */
function decodeBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (mantissa << 13)) >>> 0;
  if (exponent !== 0) return (sign | ((exponent + 112) << 23) | (mantissa << 13)) >>> 0;
  if (mantissa === 0) return sign >>> 0;
  // A denormal is mantissa * 2^-24; in float32 it becomes a normal number.
  const shift = Math.clz32(mantissa) - 21; // brings the leading one to bit 10
  return (sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13)) >>> 0;
}

/** binary32 to binary16, on bit patterns; rounds to nearest, ties to even. */
function encodeBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    // NaN: the upper payload bits are kept; one that would vanish must not turn into infinity.
    const payload = (magnitude >>> 13) & 0x3ff;
    return sign | 0x7c00 | (payload === 0 ? 0x200 : payload);
  }
  // From here on, rounding up may carry into the exponent; that is the right neighbour, up to and
  // including infinity for everything from 65520 on.
  if (magnitude >= 0x47800000) return sign | 0x7c00; // >= 65536, infinity
  if (magnitude >= 0x38800000) {
    // Normal: rebias the exponent (127 -> 15), drop 13 bits.
    const rebased = magnitude - 0x38000000;
    return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
  }
  const exponent = magnitude >>> 23;
  if (exponent < 102) return sign; // below 2^-25, half of the smallest denormal
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const drop = 126 - exponent; // 14 (largest denormals) .. 24
  const kept = significand >>> drop;
  const rest = significand - (kept << drop);
  const tie = 1 << (drop - 1);
  const up = rest > tie || (rest === tie && (kept & 1) === 1);
  return sign | (kept + (up ? 1 : 0));
}

/** Decodes float16 bit patterns; exact. */
export function decodeFloat16(halves: Uint16Array): Float32Array {
  const lookup = decodeTable();
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = lookup[halves[i]];
  return fromBits(bits);
}

/** Encodes as float16 bit patterns: nearest, ties to even, overflow to infinity, NaN stays NaN. */
export function encodeFloat16(values: Float32Array): Uint16Array {
  const bits = bitsOf(values);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < halves.length; i++) halves[i] = encodeBits(bits[i]);
  return halves;
}
