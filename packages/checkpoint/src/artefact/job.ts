import type { UniformWeight, VqWeight } from '@vq4dit/core';
import type { ModelFile } from '../model/model-file.ts';
import type { CodebookDType, QuantizedLayerInfo, UniformScheme } from './format.ts';

/** One quantized layer on its way into an artefact. */
export interface ArtefactLayer {
  /** Without `.weight`. */
  readonly name: string;
  /** Called once, when it is this layer's turn, so that one layer at a time is in memory. */
  readonly load: () => Promise<VqWeight | UniformWeight>;
}

/** What `writeArtefact` writes. */
export interface ArtefactJob {
  /** The model that was quantized; everything that is not replaced is copied from it. */
  readonly model: ModelFile;
  readonly layers: readonly ArtefactLayer[];
  /** Biases that the method changed, by their full names (`blocks.0.attn.qkv.bias`); F32. */
  readonly biases?: ReadonlyMap<string, Float32Array>;
  /** Default F16. A codebook that F16 cannot hold is stored in F32, and the result says so. */
  readonly codebookDType?: CodebookDType;
  /**
   * Given where all layers lie on uniform grids: then a sub-vector is one weight, and the codewords
   * are the 2^bits points of a grid.
   */
  readonly uniform?: UniformScheme;
  /** What was asked for: codewords k and sub-vector length d. Layers may differ. */
  readonly codewords: number;
  readonly subvector: number;
  /** How it was quantized, as the command line spells it. */
  readonly method: string;
  readonly seed: number | bigint;
  /** Candidates of each sub-vector during calibration. Default 1: there was none. */
  readonly candidates?: number;
  /** Program and version that made it, `vq4dit 0.1.0`. Default `vq4dit`. */
  readonly producer?: string;
  /** Further metadata strings. Nothing that differs between equal runs belongs here. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Told after each layer. */
  readonly onLayer?: (progress: { layer: string; done: number; total: number }) => void;
}

/** What `writeArtefact` wrote. */
export interface ArtefactResult {
  /** What codes and codebooks take on the disk; the rest of the model is not in. */
  readonly bytes: number;
  /** Bits of codes and codebooks by {@link quantizedWeights}: the true rate of these layers. */
  readonly bitsPerWeight: number;
  readonly quantizedWeights: number;
  /** In the order of the model. */
  readonly layers: readonly QuantizedLayerInfo[];
  /** Layers whose codebook is in F32 although F16 was asked for, because F16 would overflow. */
  readonly widened: readonly string[];
}
