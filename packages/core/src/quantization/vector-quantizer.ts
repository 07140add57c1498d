import { ArgumentError, NonFiniteError } from '../errors.ts';
import type { KMeansAccelerator } from '../host/kmeans-accelerator.ts';
import { RandomStream } from '../random/random.ts';
import { clampCodewords, kmeans } from './kmeans.ts';
import { VqWeight, type WeightMatrix, type WeightQuantizer } from './quantized-weight.ts';

/** Options of {@link VectorQuantizer}. */
export interface VectorQuantizerOptions {
  /** Codewords k of each codebook; fewer where a row group has less than 4 k sub-vectors. */
  readonly codewords: number;
  /** Weights d of one sub-vector. */
  readonly subvector: number;
  readonly seed: number | bigint;
  /** Most Lloyd iterations over all sub-vectors. Default 100. */
  readonly maxIterations?: number;
  /** Who assigns sub-vectors faster than the host; the result is the same. Default: the host. */
  readonly accelerator?: KMeansAccelerator;
  /** Called with the reason where the accelerator leaves the work to the host. */
  readonly onDeclined?: (reason: string) => void;
}

/** Codewords and sub-vector length for a nominal rate of log2(k) / d bits per weight. */
export const RATES: Readonly<Record<1 | 2 | 3 | 4, { codewords: number; subvector: number }>> = {
  1: { codewords: 256, subvector: 8 },
  2: { codewords: 256, subvector: 4 },
  3: { codewords: 64, subvector: 2 },
  4: { codewords: 256, subvector: 2 },
};

/**
 * Classic vector quantization: k-means over the sub-vectors of a matrix, one codebook per row group.
 * A layer's result depends on the seed, its name and its weights only, not on the order of layers.
 */
export class VectorQuantizer implements WeightQuantizer<VqWeight> {
  readonly method = 'vq';
  private readonly options: VectorQuantizerOptions;

  /** @throws ArgumentError where codes of more than 16 bits or empty sub-vectors are asked for */
  constructor(options: VectorQuantizerOptions) {
    const { codewords, subvector } = options;
    if (!Number.isInteger(codewords) || codewords < 1 || codewords > 65536) {
      throw new ArgumentError(`Codewords must be an integer from 1 to 65536, not ${codewords}.`);
    }
    if (!Number.isInteger(subvector) || subvector < 1) {
      throw new ArgumentError(`Sub-vector length must be a positive integer, not ${subvector}.`);
    }
    this.options = options;
  }

  /**
   * @throws ArgumentError where d does not divide a row or the groups do not divide the rows
   * @throws NonFiniteError for NaN or infinity
   * @throws InterruptedError when the signal is aborted
   */
  async quantize(weight: WeightMatrix, signal?: AbortSignal): Promise<VqWeight> {
    const { name, rows, columns, data, groups = 1 } = weight;
    const { codewords, subvector: d } = this.options;
    if (columns % d !== 0) {
      throw new ArgumentError(
        `${name}: sub-vectors of ${d} weights do not divide rows of ${columns}; choose another --subvector or exclude the layer.`,
      );
    }
    if (rows % groups !== 0) {
      throw new ArgumentError(`${name}: ${groups} row groups do not divide ${rows} rows.`);
    }
    const count = (rows * columns) / (d * groups);
    const k = clampCodewords(codewords, count);
    const codebook = new Float32Array(groups * k * d);
    const codes = new Uint16Array(count * groups);
    for (let group = 0; group < groups; group++) {
      const part = data.subarray(group * count * d, (group + 1) * count * d);
      const result = await this.cluster(name, part, k, group, signal);
      codebook.set(result.codebook, group * k * d);
      codes.set(result.assignments, group * count);
    }
    return new VqWeight({ name, rows, columns, groups, k, d, codebook, codes });
  }

  private async cluster(
    name: string,
    data: Float32Array,
    k: number,
    group: number,
    signal: AbortSignal | undefined,
  ) {
    const { subvector: dimension, seed, maxIterations, accelerator, onDeclined } = this.options;
    try {
      return await kmeans({
        data,
        dimension,
        k,
        random: new RandomStream(seed, 'k-means', name, group),
        ...(maxIterations !== undefined && { maxIterations }),
        ...(accelerator && { accelerator }),
        ...(onDeclined && { onDeclined }),
        ...(signal && { signal }),
      });
    } catch (error) {
      if (error instanceof NonFiniteError) throw new NonFiniteError(`${name}: ${error.message}`);
      throw error;
    }
  }
}
