import type { Granularity } from '@vq4dit/core';

/** `quantization_config.quant_method` and the `format` of the metadata. */
export const QUANT_METHOD = 'vq4dit';
/** The newest version that can be read. */
export const FORMAT_VERSION = 2;
/** The version that a scheme is written in: the oldest that has it, so that older readers keep up. */
export const SCHEME_VERSION = { codebook: 1, uniform: 2 } as const;
/** Name of the tensor file in an artefact's folder. */
export const ARTEFACT_TENSORS = 'model.safetensors';
/** Name of the config file in a model's folder. */
export const CONFIG_FILE = 'config.json';
/** Bit order of packed codes; the only one there is. */
export const PACKING = 'lsb-first';
/**
 * Longest sub-vector, in weights. Far above any that is of use; it bounds how much larger than its
 * file a decoded layer can be.
 */
export const MAX_SUBVECTOR = 256;
/** Most codewords of a codebook: codes have at most 16 bits. */
export const MAX_CODEWORDS = 65536;

/** Element type of a stored codebook. */
export type CodebookDType = 'F16' | 'F32';
/** Bytes of one stored codebook element. */
export const CODEBOOK_BYTES: Readonly<Record<CodebookDType, 2 | 4>> = { F16: 2, F32: 4 };

/** One quantized layer as an artefact stores it. */
export type QuantizedLayerInfo = CodebookLayerInfo | UniformLayerInfo;

/** Whether a layer is stored as codes on uniform grids, and not as codes of codewords. */
export function isUniform(layer: QuantizedLayerInfo): layer is UniformLayerInfo {
  return 'scaleRows' in layer;
}

/** A layer on uniform grids. */
export interface UniformLayerInfo {
  /** Without `.weight`. */
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** Bits of a code and of a zero point. */
  readonly bits: number;
  /** Runs of rows with grids of their own. */
  readonly scaleRows: number;
  /** Neighbouring columns that share a grid; the last group of a row may be shorter. */
  readonly groupSize: number;
  readonly scaleDType: CodebookDType;
}

/** A layer of codewords. */
export interface CodebookLayerInfo {
  /** Without `.weight`. */
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** Codebooks, each for `rows / groups` rows. */
  readonly groups: number;
  /** Codewords of each codebook. */
  readonly k: number;
  /** Weights of one sub-vector. */
  readonly d: number;
  readonly codebookDType: CodebookDType;
}

/** What an artefact says about itself beside its layers. */
export interface ArtefactInfo {
  readonly formatVersion: number;
  /** Program and version that wrote it. */
  readonly producer: string;
  /** How it was quantized, as the command line spells it. */
  readonly method: string;
  readonly seed: string;
  /** SHA-256 of the checkpoint that was quantized. */
  readonly sourceSha256: string;
  /** Parameters of the model before quantization. */
  readonly totalParameters: number;
  /** Codes and codebooks of the quantized layers by their weights; the layers that stay are not in. */
  readonly trueBitsPerWeight: number;
  /** Nominal rate log2(codewords) / subvector. */
  readonly bits: number;
  readonly codewords: number;
  readonly subvector: number;
  readonly codebookDType: CodebookDType;
  /** Candidates of each sub-vector during calibration; 1 where there was none. */
  readonly candidates: number;
  /** What was asked for where the layers lie on uniform grids. */
  readonly uniform?: UniformScheme;
  /** Modules with weights that were left in floating point. */
  readonly modulesNotConverted: readonly string[];
  /** Every metadata string of the file, the ones above included. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** What all layers of an artefact of uniform grids have in common; group sizes may differ. */
export interface UniformScheme {
  readonly granularity: Granularity;
  /** Neighbouring weights that share a grid, with `group`. */
  readonly groupSize?: number;
}

export function scalesName(layer: string): string {
  return `${layer}.weight_scales`;
}

export function zerosName(layer: string): string {
  return `${layer}.weight_zeros`;
}

export function codesName(layer: string): string {
  return `${layer}.weight_codes`;
}

export function codebookName(layer: string): string {
  return `${layer}.weight_codebook`;
}

export function weightName(layer: string): string {
  return `${layer}.weight`;
}
