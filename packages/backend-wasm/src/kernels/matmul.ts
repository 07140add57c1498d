import type { KernelGroup } from '../kernel-table.ts';
import { cutProduct } from './tiles.ts';

/** The batched matrix product. */
export const matmulKernels: KernelGroup = (engine) => ({
  matmul(a, b, transposeA, transposeB) {
    const [batch, first, second] = a.shape as [number, number, number];
    const [m, k] = transposeA ? [second, first] : [first, second];
    const n = b.shape[transposeB ? 1 : 2]!;
    const { rows, columns, alongM, alongN, chunks } = cutProduct(batch, m, n, k);
    const out = engine.allocate(4 * batch * m * n);
    const layout = [transposeA ? 1 : 0, transposeB ? 1 : 0];
    const args = [a.handle, b.handle, out, m, n, k, ...layout, rows, columns, alongM, alongN];
    engine.run('matmul', args, chunks);
    return out;
  },
});
