import type { Backend, BackendInfo, KernelTensor, RequiredKernels } from '@vq4dit/core';
import { argmin, binary, matmul, nearest, reduce, unary } from './kernels.ts';
import { type DeviceBuffer, DeviceMemory, type Values } from './memory.ts';
import { concat, gatherRows, permute, scatterAddRows, slice } from './movement.ts';

/**
 * Starts the backend.
 *
 * DEVICE: open it here. Where it is not there, throw a `BackendUnavailableError` that says what to
 * install; `doctor` shows it.
 */
export async function createMyDeviceBackend(): Promise<Backend<DeviceBuffer>> {
  const memory = new DeviceMemory();
  const made = (values: Values) => memory.adopt(values);
  const info: BackendInfo = {
    id: 'my-device',
    // DEVICE: what the driver says it is. isGpu and precision must be true: the kit notices if not.
    device: 'memory of this process (JavaScript, one thread)',
    isGpu: false,
    precision: 'f32',
    versions: {},
  };

  const kernels: RequiredKernels<DeviceBuffer> = {
    unary: (op, x) => made(unary(op, x)),
    binary: (op, a, b, shape) => made(binary(op, a, b, shape)),
    matmul: (a, b, transposeA, transposeB) => made(matmul(a, b, transposeA, transposeB)),
    reduce: (op, x) => made(reduce(op, x)),
    argmin: (x) => made(argmin(x)),
    gatherRows: (x, indices) => made(gatherRows(x, indices)),
    scatterAddRows: (updates, indices, rows) => made(scatterAddRows(updates, indices, rows)),
    permute: (x, axes) => made(permute(x, axes)),
    slice: (x, begin, size) => made(slice(x, begin, size)),
    concat: (xs, axis) => made(concat(xs, axis)),
    nearest(x, codebook, n) {
      const { indices, distances } = nearest(x, codebook, n);
      return { indices: made(indices), distances: made(distances) };
    },
  };

  return {
    id: info.id,
    info: () => info,
    // DEVICE: `supports(query)` goes here, where the device has limits.
    upload: (data) => made(data.slice()),
    // DEVICE: wait for the work that makes the data, and copy it back.
    read: async ({ handle }: KernelTensor<DeviceBuffer>) => handle.values.slice(),
    free: () => memory.release(),
    // DEVICE: resolve when everything that is queued is done.
    sync: async () => {},
    liveBuffers: () => memory.live,
    close: async () => {},
    kernels,
    // DEVICE: `fused` goes here, one kernel at a time; without it core composes.
  };
}
