import type { Kernel, TfDevice } from '../device.ts';
import { matmul } from '../matmul.ts';

/** Large enough for a GPU to take the kernels that it takes for layers. */
const SIZE = 128;

/**
 * True if products of float32 are products of the float32 values themselves. Rows of 1 + 2^-12
 * times the identity matrix: every sum has one term that is not 0, so the result is exact in any
 * order of summation, and 1 if the inputs are rounded to the 11 bits of TF32 or half precision.
 */
export async function productsAreExact(device: TfDevice): Promise<boolean> {
  const value = 1 + 2 ** -12;
  const shape = [1, SIZE, SIZE];
  const upload = (data: Float32Array): Kernel => ({
    handle: device.upload(data, shape, 'float32'),
    shape,
    dtype: 'float32',
  });
  const rows = upload(new Float32Array(SIZE * SIZE).fill(value));
  const identity = upload(
    Float32Array.from({ length: SIZE * SIZE }, (_, i) => (i % (SIZE + 1) === 0 ? 1 : 0)),
  );
  // Both ways round: each operand may be rounded.
  const left = matmul(device, rows, identity, false, false);
  const right = matmul(device, identity, rows, false, false);
  const values = [await device.read(left), await device.read(right)];
  for (const x of [rows.handle, identity.handle, left, right]) device.free(x);
  return values.every((product) => product.every((x) => x === value));
}
