/** Files of both formats are little-endian; so is nearly every machine, but not all. */
export const HOST_IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Reverses the byte order of every element, in place; returns the same bytes. */
export function swapBytes(bytes: Uint8Array, elementSize: number): Uint8Array {
  if (elementSize === 1) return bytes;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (elementSize === 2) view.swap16();
  else if (elementSize === 4) view.swap32();
  else view.swap64();
  return bytes;
}
