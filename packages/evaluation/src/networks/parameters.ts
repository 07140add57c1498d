import {
  ModelError,
  NonFiniteError,
  type Shape,
  sameShape,
  type Tensor,
  type TensorOps,
} from '@vq4dit/core';
import type { TensorSource } from '@vq4dit/dit';
import type { Window } from './feature-map.ts';
import type { Convolution } from './layers.ts';

/** Uploads a network's parameters, checking each against the shape that it must have. */
export class ParameterLoader implements Disposable {
  private readonly ops: TensorOps;
  private readonly source: TensorSource;
  private readonly where: string;
  private readonly owned: Tensor[] = [];

  /** @param where what error messages call the file */
  constructor(ops: TensorOps, source: TensorSource) {
    this.ops = ops;
    this.source = source;
    this.where = source.name ?? 'feature network';
  }

  /**
   * The elements of one tensor.
   *
   * @throws ModelError where it is missing or of another shape
   * @throws NonFiniteError where it holds NaN or infinity
   */
  async values(name: string, shape: Shape): Promise<Float32Array> {
    if (!this.source.names().includes(name)) {
      throw new ModelError(
        `${this.where}: there is no tensor ${name}; this is not the feature network that was asked for.`,
      );
    }
    const found = this.source.entry(name).shape;
    if (!sameShape(found, shape)) {
      throw new ModelError(
        `${this.where}: ${name} has shape [${found.join(', ')}], expected [${shape.join(', ')}].`,
      );
    }
    const values = await this.source.readFloat32(name);
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw new NonFiniteError(`${this.where}: ${name} holds ${values[bad]} at element ${bad}.`);
    }
    return values;
  }

  /** A tensor that lives as long as the loader. */
  upload(values: Float32Array, shape: Shape): Tensor {
    const tensor = this.ops.tensor(values, shape);
    this.owned.push(tensor);
    return tensor;
  }

  /** A fully connected layer's weight [out, in], or any other tensor as it is stored. */
  async tensor(name: string, shape: Shape): Promise<Tensor> {
    return this.upload(await this.values(name, shape), shape);
  }

  /**
   * A convolution from a kernel stored as [out, in, kh, kw].
   *
   * @param scale multiplies each output channel, a folded normalization
   */
  convolution(
    kernel: Float32Array,
    bias: Float32Array,
    inputs: number,
    window: Window,
    scale?: Float32Array,
  ): Convolution {
    const outputs = bias.length;
    const taps = window.kernel[0] * window.kernel[1];
    const weight = new Float32Array(kernel.length);
    for (let o = 0; o < outputs; o++) {
      const factor = scale?.[o] ?? 1;
      for (let c = 0; c < inputs; c++) {
        for (let t = 0; t < taps; t++) {
          weight[(o * taps + t) * inputs + c] = factor * kernel[(o * inputs + c) * taps + t]!;
        }
      }
    }
    return {
      weight: this.upload(weight, [outputs, taps * inputs]),
      bias: this.upload(bias, [outputs]),
      window,
    };
  }

  /** Frees everything that was uploaded. */
  [Symbol.dispose](): void {
    for (const tensor of this.owned) tensor[Symbol.dispose]();
  }
}
