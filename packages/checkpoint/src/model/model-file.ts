import type { PackedWeightParts, UniformWeight, VqWeight } from '@vq4dit/core';
import type { DiTConfig, TensorSource } from '@vq4dit/dit';
import type { ArtefactInfo, QuantizedLayerInfo } from '../artefact/format.ts';
import type { RawTensor, TensorEntry } from '../tensor/tensor-file.ts';

/** The two schemes of key names that files of a DiT use. */
export type KeyNames = 'facebook' | 'diffusers';

/** The named tensors of a model, whatever files hold them. */
export interface ModelTensors extends TensorSource {
  /** What error messages call it. */
  readonly name: string;
  /** Every tensor, under the names that {@link ModelTensors.entry} takes. */
  names(): readonly string[];
  /** Whether {@link ModelTensors.entry} knows the name. */
  has(name: string): boolean;
  /** @throws ModelError where there is no tensor of that name */
  entry(name: string): TensorEntry;
  /** The elements of one tensor in the dtype of its entry, little-endian. */
  read(name: string): Promise<RawTensor>;
  /**
   * All elements, row-major, as float32.
   * @throws DTypeError where the tensor does not hold floating-point numbers
   */
  readFloat32(name: string): Promise<Float32Array>;
  /** Closes the files behind it; call it once. */
  close(): Promise<void>;
}

/**
 * An open model: its config, and its tensors under the names of the original checkpoints
 * (`blocks.0.attn.qkv.weight`), whatever names, dtypes and files they are stored under. A quantized
 * layer's `<layer>.weight` is there like any other tensor, of dtype F32, and is decoded when it is
 * read. Tensors are read on demand.
 */
export interface ModelFile extends ModelTensors {
  /** The path that was opened. */
  readonly path: string;
  readonly kind: 'checkpoint' | 'artefact';
  /** The names that the files use. */
  readonly keyNames: KeyNames;
  readonly config: DiTConfig;
  /** One name for each class, where the config file has them. */
  readonly classNames: readonly string[] | undefined;
  /** The files that hold the tensors; more than one where a model is sharded. */
  readonly files: readonly string[];
  /** Names of tensors in the files that the model has no use for. */
  readonly extra: readonly string[];
  /** What an artefact says about itself; undefined for a plain checkpoint. */
  readonly artefact: ArtefactInfo | undefined;
  /** The quantized layers in the order of the model; none in a plain checkpoint. */
  quantizedLayers(): readonly QuantizedLayerInfo[];
  /**
   * One quantized layer, by its name without `.weight`.
   * @throws ModelError where it is not a quantized layer of this model
   * @throws FileFormatError where codes have no codeword or unused bits are set
   * @throws NonFiniteError where a codebook or a scale holds NaN or infinity
   */
  readQuantized(layer: string): Promise<VqWeight | UniformWeight>;
  /**
   * The same layer as it is stored, by the name of its weight: packed codes, and the codebook in
   * float32. Undefined for any other tensor, and for a layer on uniform grids. This is what `DiTWeights.load` takes with `packed`.
   * @throws FileFormatError, NonFiniteError as {@link readQuantized}
   */
  readPacked(tensor: string): Promise<PackedWeightParts | undefined>;
  /**
   * SHA-256 of the tensor file, in hex; of all files one after the other in the order of
   * {@link files} where there are several. Read in pieces, once.
   */
  sha256(): Promise<string>;
}
