import type { KernelGroup } from '../kernel-table.ts';
import { chunksOf } from './chunks.ts';
import { cutPartials, withPartials } from './partial-sums.ts';

/** Rows of a chunk, as assembly/soft-reconstruct.ts has it. */
const CHUNK_ROWS = 4096;

/** Weights as mixtures of candidate codewords, and the gradients for both. */
export const softReconstructKernels: KernelGroup = (engine) => ({
  softReconstruct(codebook, candidates, ratios) {
    const d = codebook.shape[1]!;
    const [rows, n] = candidates.shape as [number, number];
    const out = engine.allocate(4 * rows * d);
    const tensors = [codebook.handle, candidates.handle, ratios.handle, out];
    engine.run('softReconstruct', [...tensors, rows, n, d], chunksOf(rows, CHUNK_ROWS));
    return out;
  },

  softReconstructGrad(codebook, candidates, ratios, grad) {
    const [k, d] = codebook.shape as [number, number];
    const [rows, n] = candidates.shape as [number, number];
    const ratiosGrad = engine.allocate(4 * rows * n);
    const codebookGrad = engine.allocate(4 * k * d);
    const { chunks, perChunk } = cutPartials(rows, k * d);
    withPartials(engine, chunks, k * d, (partials, add) => {
      const inputs = [codebook.handle, candidates.handle, ratios.handle, grad.handle];
      const sizes = [rows, n, d, k, perChunk];
      engine.run('softReconstructGrad', [...inputs, ratiosGrad, partials, ...sizes], chunks);
      add(0, k * d, codebookGrad);
    });
    return { codebook: codebookGrad, ratios: ratiosGrad };
  },
});
