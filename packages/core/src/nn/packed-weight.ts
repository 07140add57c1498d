import { ShapeError } from '../errors.ts';
import { codeWidth, packedByteLength, unpackCodes } from '../quantization/packing.ts';
import type { TensorOps } from '../tensor/ops.ts';
import type { Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { linear } from './linear.ts';

/** A vector-quantized matrix as an artefact stores it. */
export interface PackedWeightParts {
  /** What error messages call it. */
  readonly name: string;
  readonly rows: number;
  /** A multiple of d. */
  readonly columns: number;
  /** Row groups with a codebook each; a divisor of rows. */
  readonly groups: number;
  readonly k: number;
  readonly d: number;
  /** The bit stream of `packCodes`: rows columns / d codes of `codeWidth(k)` bits. */
  readonly codes: Uint8Array;
  /** [groups k, d] */
  readonly codebook: Float32Array;
}

/**
 * A weight matrix that stays packed while it is used: its codes and its codebook are all that is in
 * memory. Backends with a kernel for it decode inside the product; on all others each use decodes
 * the whole matrix for the time of one product. Dispose it once.
 */
export class PackedWeight implements Disposable {
  readonly name: string;
  /** [rows, columns] of the matrix that it stands for. */
  readonly shape: Shape;
  readonly groups: number;
  readonly k: number;
  readonly d: number;
  /** Bits of one code. */
  readonly width: number;
  /** [groups k, d] */
  readonly codebook: Tensor;
  /** int32 [words] on the device, where its backend multiplies packed weights. */
  readonly deviceCodes: Tensor | undefined;
  private readonly hostCodes: Uint8Array | undefined;

  private constructor(ops: TensorOps, parts: PackedWeightParts) {
    const { rows, columns, groups, k, d, codes, codebook } = parts;
    this.name = parts.name;
    this.shape = [rows, columns];
    this.groups = groups;
    this.k = k;
    this.d = d;
    this.width = codeWidth(k);
    if (ops.hasFused('linear')) {
      // A typed array of words needs aligned bytes, and a whole number of them.
      const words = new Int32Array(Math.ceil(codes.length / 4));
      new Uint8Array(words.buffer).set(codes);
      this.deviceCodes = ops.indices(words, [words.length]);
    } else {
      this.hostCodes = codes.slice();
    }
    this.codebook = ops.tensor(codebook, [groups * k, d]);
  }

  /**
   * Puts a packed weight on the device.
   *
   * @throws ShapeError where sizes do not fit together; ArgumentError where k is out of range
   */
  static upload(ops: TensorOps, parts: PackedWeightParts): PackedWeight {
    check(parts);
    return new PackedWeight(ops, parts);
  }

  /** Bytes that it holds, on the device and on the host together. */
  get byteLength(): number {
    const codes = this.hostCodes?.length ?? 4 * this.deviceCodes!.shape[0]!;
    return codes + 4 * this.groups * this.k * this.d;
  }

  /** The matrix [rows, columns] in float32; the caller owns it. */
  decode(ops: TensorOps): Tensor {
    const [rows, columns] = this.shape as [number, number];
    return ops.scope((s) => {
      if (this.deviceCodes) {
        // x W^T with the identity for x: sums of one value and zeros, hence exact.
        const identity = new Float32Array(columns * columns);
        for (let i = 0; i < columns; i++) identity[i * (columns + 1)] = 1;
        const transposed = linear(s, s.tensor(identity, [columns, columns]), this);
        return s.permute(transposed, [1, 0]);
      }
      const count = (rows * columns) / this.d;
      const codes = unpackCodes(this.hostCodes!, this.width, count);
      const perGroup = count / this.groups;
      const lines = Int32Array.from(codes, (code, i) => Math.floor(i / perGroup) * this.k + code);
      return s.reshape(s.gatherRows(this.codebook, s.indices(lines, [count])), [rows, columns]);
    });
  }

  /** Frees codes and codebook. */
  dispose(): void {
    this.codebook.dispose();
    this.deviceCodes?.dispose();
  }

  /** The same as {@link PackedWeight.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

function check({ name, rows, columns, groups, k, d, codes, codebook }: PackedWeightParts): void {
  const positive = [rows, columns, groups, d].every((n) => Number.isInteger(n) && n > 0);
  if (!positive || columns % d !== 0 || rows % groups !== 0) {
    throw new ShapeError(
      `${name}: a [${rows}, ${columns}] matrix in ${groups} row groups cannot be cut into sub-vectors of ${d}.`,
    );
  }
  const bytes = packedByteLength((rows * columns) / d, codeWidth(k));
  if (codes.length !== bytes || codebook.length !== groups * k * d) {
    throw new ShapeError(
      `${name}: expected ${bytes} bytes of codes and ${groups * k * d} codebook values, got ${codes.length} and ${codebook.length}.`,
    );
  }
}
