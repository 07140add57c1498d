import { NPY_BYTES, type NpyDType } from './npy.ts';

const DESCRIPTIONS: Readonly<Record<NpyDType, string>> = {
  uint8: '|u1',
  int64: '<i8',
  float32: '<f4',
  float64: '<f8',
};
/** NumPy starts the elements at a multiple of this. */
const ALIGNMENT = 64;

/** What stands before the elements of an .npy file of version 1.0, row-major. */
export function encodeNpyHeader(dtype: NpyDType, shape: readonly number[]): Uint8Array {
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${DESCRIPTIONS[dtype]}', 'fortran_order': False, 'shape': (${dims}), }`;
  const before = 10; // magic, version, length
  const padding = ALIGNMENT - ((before + text.length + 1) % ALIGNMENT);
  const header = new TextEncoder().encode(`${text}${' '.repeat(padding % ALIGNMENT)}\n`);
  const out = new Uint8Array(before + header.length);
  out.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  new DataView(out.buffer).setUint16(8, header.length, true);
  out.set(header, before);
  return out;
}

/** Elements as little-endian bytes. */
export function encodeNpyValues(
  values: Uint8Array | Float32Array | Float64Array | readonly number[],
  dtype: NpyDType,
): Uint8Array {
  if (values instanceof Uint8Array && dtype === 'uint8') return values;
  const out = new Uint8Array(values.length * NPY_BYTES[dtype]);
  const view = new DataView(out.buffer);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (dtype === 'uint8') view.setUint8(i, value);
    else if (dtype === 'float32') view.setFloat32(4 * i, value, true);
    else if (dtype === 'float64') view.setFloat64(8 * i, value, true);
    else view.setBigInt64(8 * i, BigInt(value), true);
  }
  return out;
}
