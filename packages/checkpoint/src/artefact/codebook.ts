import { NonFiniteError } from '@vq4dit/core';
import { encodeFloat16 } from '../half/float16.ts';
import { littleEndianBytes } from '../tensor/decode.ts';
import type { CodebookDType } from './format.ts';

/** From here on float16 rounds to infinity. */
const FLOAT16_OVERFLOW = 65520;

/** A codebook's bytes as they are stored. */
export interface StoredCodebook {
  readonly dtype: CodebookDType;
  readonly bytes: Uint8Array;
}

/**
 * Encodes a codebook, rounding to nearest, ties to even. One with an element that F16 has no finite
 * number for is kept in F32 instead; whoever asked for F16 is told by the dtype that comes back.
 *
 * @throws NonFiniteError for NaN or infinity
 */
export function encodeCodebook(
  codebook: Float32Array,
  dtype: CodebookDType,
  layer: string,
): StoredCodebook {
  let fits = true;
  for (const [i, value] of codebook.entries()) {
    if (!Number.isFinite(value)) {
      throw new NonFiniteError(
        `${layer}: the codebook holds ${value} at element ${i}; codebooks must be finite.`,
      );
    }
    if (Math.abs(value) >= FLOAT16_OVERFLOW) fits = false;
  }
  if (dtype === 'F16' && fits) {
    return { dtype, bytes: littleEndianBytes(encodeFloat16(codebook)) };
  }
  return { dtype: 'F32', bytes: littleEndianBytes(codebook) };
}
