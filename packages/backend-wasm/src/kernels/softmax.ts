import { sizeOf } from '@vq4dit/core';
import type { KernelGroup } from '../kernel-table.ts';

/** Elements per chunk, about: enough that taking a chunk costs nothing beside it. */
const CHUNK = 8192;

/** Softmax over rows. */
export const softmaxKernels: KernelGroup = (engine) => ({
  softmax({ handle, shape }) {
    const [rows, n] = shape as [number, number];
    // A multiple of 4, because short rows are computed four at a time.
    const perChunk = Math.max(4, Math.floor(CHUNK / n / 4) * 4);
    const out = engine.allocate(4 * sizeOf(shape));
    engine.run('softmax', [handle, out, rows, n, perChunk], Math.ceil(rows / perChunk));
    return out;
  },
});
