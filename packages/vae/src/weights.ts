import {
  ModelError,
  NonFiniteError,
  type Shape,
  sizeOf,
  type Tensor,
  type TensorOps,
} from '@vq4dit/core';
import type { VaeDecoderConfig } from './config.ts';
import { inferVaeDecoder } from './infer.ts';
import type { Layer } from './layers.ts';

/** Where weights come from, usually a checkpoint file; a `TensorFile` of `@vq4dit/checkpoint` is one. */
export interface VaeTensorSource {
  /** What error messages call it. */
  readonly name?: string;
  /** Names of all tensors in the source. */
  names(): readonly string[];
  /** What is known of a tensor without reading it. Asked only for names that the source has. */
  entry(name: string): { readonly shape: Shape };
  /** All elements, row-major. */
  readFloat32(name: string): Promise<Float32Array>;
}

/** A convolution as a matrix product on patches. */
export interface ConvolutionWeights {
  readonly kind: 'conv1' | 'conv3';
  /** [out, in], or [out, 3 x 3 x in] with the input channel last, as patches are laid out. */
  readonly weight: Tensor;
  /** [out] */
  readonly bias: Tensor;
  readonly inputs: number;
  readonly outputs: number;
}

/** The affine part of a group normalization; on the host, where it is put into the statistics. */
export interface NormWeights {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

/** The weights of a decoder on one backend, by the paths of their layers. */
export interface VaeWeights {
  readonly config: VaeDecoderConfig;
  readonly convolutions: ReadonlyMap<string, ConvolutionWeights>;
  readonly norms: ReadonlyMap<string, NormWeights>;
}

/**
 * Reads and uploads a decoder's weights, one tensor at a time. The tensors belong to `ops`.
 *
 * @throws ModelError where a tensor is missing, of another shape, or unknown
 * @throws NonFiniteError where a weight is NaN or infinite
 */
export async function loadWeights(
  ops: TensorOps,
  source: VaeTensorSource,
  groups: number | undefined,
): Promise<VaeWeights> {
  const where = source.name ?? 'VAE';
  const shapes = new Map(source.names().map((name) => [name, source.entry(name).shape]));
  const { config, names, layers } = inferVaeDecoder(shapes, groups, where);
  const convolutions = new Map<string, ConvolutionWeights>();
  const norms = new Map<string, NormWeights>();
  const read = async (name: string) =>
    checked(await source.readFloat32(name), sizeOf(shapes.get(name)!), `${where}: tensor ${name}`);
  for (const [path, layer] of layers) {
    const stored = names.stored(path);
    const weight = await read(`${stored}.weight`);
    const bias = await read(`${stored}.bias`);
    if (layer.kind === 'norm') norms.set(path, { weight, bias });
    else convolutions.set(path, uploadConvolution(ops, layer, layer.kind, weight, bias));
  }
  return { config, convolutions, norms };
}

function uploadConvolution(
  ops: TensorOps,
  { inputs, outputs }: Layer,
  kind: ConvolutionWeights['kind'],
  weight: Float32Array,
  bias: Float32Array,
): ConvolutionWeights {
  const taps = kind === 'conv3' ? 9 : 1;
  const matrix = taps === 1 ? weight : channelsLast(weight, inputs, taps);
  return {
    kind,
    weight: ops.tensor(matrix, [outputs, taps * inputs]),
    bias: ops.tensor(bias, [outputs]),
    inputs,
    outputs,
  };
}

/** A kernel [out, in, 3, 3] as [out, 3, 3, in]. */
function channelsLast(kernel: Float32Array, inputs: number, taps: number): Float32Array {
  const out = new Float32Array(kernel.length);
  for (let start = 0; start < kernel.length; start += inputs * taps) {
    for (let channel = 0; channel < inputs; channel++) {
      for (let tap = 0; tap < taps; tap++) {
        out[start + tap * inputs + channel] = kernel[start + channel * taps + tap]!;
      }
    }
  }
  return out;
}

function checked(values: Float32Array, size: number, what: string): Float32Array {
  if (values.length !== size) {
    throw new ModelError(`${what} holds ${values.length} values, expected ${size}.`);
  }
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new NonFiniteError(
      `${what} holds ${values[bad]} at element ${bad}; weights must be finite.`,
    );
  }
  return values;
}
