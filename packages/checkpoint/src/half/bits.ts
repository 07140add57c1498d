/**
 * The bit patterns of float32 values, on the same memory. Conversions work on integers throughout,
 * because a NaN that passes through a JavaScript number may lose its payload.
 */
export function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** The float32 values of bit patterns, on the same memory. */
export function fromBits(bits: Uint32Array): Float32Array {
  return new Float32Array(bits.buffer, bits.byteOffset, bits.length);
}
