import type { KernelTensor, LinearEpilogue, PackedKernelWeight } from '@vq4dit/core';
import type { KernelGroup } from '../kernel-table.ts';
import { cutProduct, type Tiles } from './tiles.ts';

type Weight = KernelTensor<number> | PackedKernelWeight<number>;

/** Rows of x up to which the weight is read where it lies; measured, see benchmarks/matmul. */
const FEW = 20;
/** Columns of x up to which four decoded rows of a weight fit into a thread's working memory. */
const FEW_COLUMNS = 2 ** 17;
/** Rows of the weight in a chunk with few rows of x: a multiple of 4. */
const FEW_CHUNK = 64;
/** Decoding a packed weight costs more than copying it, so fewer chunks share it. */
const PACKED = { mostRows: 1020, leastRows: 240 };

const ACTIVATION = { none: 0, gelu: 1, silu: 2 };

/** Linear layers with what follows them, from dense or packed weights. */
export const linearKernels: KernelGroup = (engine) => ({
  linear(x, weight, epilogue) {
    const [m, k] = x.shape as [number, number];
    const packed = isPacked(weight);
    const n = packed ? weight.rows : weight.shape[0]!;
    const few = m <= FEW && k <= FEW_COLUMNS;
    const tiles = few ? cutFew(m, n) : cutProduct(1, m, n, k, packed ? PACKED : {});
    const { rows, columns, alongN, chunks } = tiles;
    const out = engine.allocate(4 * m * n);
    const args = [x.handle, packed ? 0 : weight.handle, out, m, n, k];
    args.push(rows, columns, alongN, few ? 1 : 0, 0, 0);
    args.push(...epilogueWords(epilogue, m), 0, 0, 0);
    if (packed) args.push(...packedWords(weight));
    engine.run('linear', args, chunks);
    return out;
  },
});

function isPacked(weight: Weight): weight is PackedKernelWeight<number> {
  return 'codes' in weight;
}

/** The few rows of x stay whole. */
function cutFew(rows: number, n: number): Tiles {
  const alongN = Math.ceil(n / FEW_CHUNK);
  return { rows, columns: FEW_CHUNK, alongM: 1, alongN, chunks: alongN };
}

/** Of assembly/linear-epilogue.ts. */
function epilogueWords({ bias, activation, gated }: LinearEpilogue<number>, m: number): number[] {
  const images = gated?.gate.shape[0] ?? 1;
  const addresses = [gated?.gate.handle ?? 0, gated?.residual.handle ?? 0];
  return [bias?.handle ?? 0, ACTIVATION[activation], ...addresses, m / images];
}

/** Of assembly/pack-codes.ts. */
function packedWords({ codes, codebook, rows, groups, width }: PackedKernelWeight<number>) {
  const [codewords, d] = codebook.shape as [number, number];
  const words = codes.shape[0]!;
  return [codes.handle, words, codebook.handle, codewords / groups, d, rows / groups, width];
}
