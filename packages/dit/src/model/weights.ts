import {
  ModelError,
  NonFiniteError,
  PackedWeight,
  type PackedWeightParts,
  type Shape,
  sizeOf,
  Tensor,
  type TensorOps,
  type WeightLookup,
} from '@vq4dit/core';
import { checkConfig, type DiTConfig } from '../config/config.ts';
import { BLOCK_LINEARS, blockLayer, checkTensors, expectedTensors } from '../config/tensors.ts';
import { positionEmbedding } from './position.ts';

/** A model that can run: its config and its weights. */
export interface DiTModel {
  readonly config: DiTConfig;
  readonly lookup: WeightLookup;
}

/** Where weights come from, usually a checkpoint file. */
export interface TensorSource {
  /** What error messages call it. */
  readonly name?: string;
  /** Names of all tensors in the source. */
  names(): readonly string[];
  /** What is known of a tensor without reading it. Asked only for names that the source has. */
  entry(name: string): { readonly shape: Shape };
  /** All elements, row-major. */
  readFloat32(name: string): Promise<Float32Array>;
  /** The matrix as codes and codebook, where the source stores it so. */
  readPacked?(name: string): Promise<PackedWeightParts | undefined>;
}

/** Options of {@link DiTWeights.load}. */
export interface LoadOptions {
  /** Keep blocks' matrices packed that the source stores so: less memory. Default false: decode them. */
  readonly packed?: boolean;
  /**
   * `host` keeps the blocks' matrices in host memory and puts those of one block at a time on the
   * device: slower, for models that the device cannot hold. Default `device`.
   */
  readonly residence?: 'device' | 'host';
}

/** The shapes of everything in a source, as config inference takes them. */
export function sourceShapes(source: TensorSource): Map<string, Shape> {
  return new Map(source.names().map((name) => [name, source.entry(name).shape]));
}

interface HostWeight {
  readonly values: Float32Array;
  readonly shape: Shape;
}

type Weight = Tensor | PackedWeight | HostWeight;

function free(weight: Weight): void {
  if ('dispose' in weight) weight.dispose();
}

/** Names of the matrices of all blocks, which are nearly all of a model. */
function blockMatrices({ depth }: DiTConfig): Set<string> {
  const names = new Set<string>();
  for (let block = 0; block < depth; block++) {
    for (const linear of BLOCK_LINEARS) names.add(`${blockLayer(block, linear)}.weight`);
  }
  return names;
}

/** All weights of a model on one backend. Dispose it once. */
export class DiTWeights implements DiTModel, Disposable {
  readonly config: DiTConfig;
  /** Names in the source that the model has no use for. */
  readonly extra: readonly string[];
  private readonly tensors: Map<string, Weight>;

  private constructor(config: DiTConfig, tensors: Map<string, Weight>, extra: readonly string[]) {
    this.config = config;
    this.tensors = tensors;
    this.extra = extra;
  }

  /**
   * Uploads a model's weights, one tensor at a time. A missing position embedding is computed.
   *
   * @throws ModelError where a tensor is missing or of another shape than the config gives it
   * @throws NonFiniteError where a weight is NaN or infinite
   */
  static async load(
    ops: TensorOps,
    config: DiTConfig,
    source: TensorSource,
    options: LoadOptions = {},
  ): Promise<DiTWeights> {
    const where = source.name ?? 'checkpoint';
    checkConfig(config, where);
    const shapes = sourceShapes(source);
    const { extra } = checkTensors(config, shapes, where);
    const matrices = blockMatrices(config);
    const onHost = options.residence === 'host' ? matrices : undefined;
    const tensors = new Map<string, Weight>();
    try {
      for (const [name, shape] of expectedTensors(config)) {
        const stays = options.packed && matrices.has(name);
        const packed = stays ? await source.readPacked?.(name) : undefined;
        if (packed) {
          checkValues(packed.codebook, [packed.codebook.length], `${where}: codebook of ${name}`);
          tensors.set(name, PackedWeight.upload(ops, packed));
          continue;
        }
        const values = shapes.has(name)
          ? await source.readFloat32(name)
          : positionEmbedding(config);
        checkValues(values, shape, `${where}: tensor ${name}`);
        tensors.set(name, onHost?.has(name) ? { values, shape } : ops.tensor(values, shape));
      }
    } catch (error) {
      for (const tensor of tensors.values()) free(tensor);
      throw error;
    }
    return new DiTWeights(config, tensors, extra);
  }

  /** Finds a weight by its name in the original checkpoints. */
  readonly lookup: WeightLookup = Object.assign(
    (name: string) => {
      const tensor = this.tensors.get(name);
      if (!tensor) throw new ModelError(`The model has no weight ${name}.`);
      if (tensor instanceof Tensor) return tensor;
      const where = tensor instanceof PackedWeight ? 'packed' : 'on the host';
      throw new ModelError(
        `${name} is kept ${where}; load the model otherwise to have its tensor.`,
      );
    },
    {
      packed: (name: string) => {
        const tensor = this.tensors.get(name);
        return tensor instanceof PackedWeight ? tensor : undefined;
      },
      upload: (ops: TensorOps, name: string) => {
        const weight = this.tensors.get(name);
        return weight && 'values' in weight ? ops.tensor(weight.values, weight.shape) : undefined;
      },
    },
  );

  /** Names of all weights, in the order of the original checkpoints. */
  names(): string[] {
    return [...this.tensors.keys()];
  }

  /** Frees all weights; lookups fail from then on. */
  dispose(): void {
    for (const tensor of this.tensors.values()) free(tensor);
    this.tensors.clear();
  }

  /** The same as {@link DiTWeights.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

function checkValues(values: Float32Array, shape: Shape, what: string): void {
  if (values.length !== sizeOf(shape)) {
    throw new ModelError(`${what} holds ${values.length} values, expected ${sizeOf(shape)}.`);
  }
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new NonFiniteError(
      `${what} holds ${values[bad]} at element ${bad}; weights must be finite.`,
    );
  }
}
