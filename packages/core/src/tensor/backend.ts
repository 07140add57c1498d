import type { KMeansAccelerator } from '../host/kmeans-accelerator.ts';
import type { DType, Shape } from './shape.ts';

/**
 * What a kernel receives: the backend's own handle and the logical view core has of it. Reshaping
 * never calls a backend, so `shape` may differ from the shape the handle was made with; the element
 * order (row-major) and count are the same.
 */
export interface KernelTensor<H = unknown> {
  readonly handle: H;
  readonly shape: Shape;
  readonly dtype: DType;
}

/**
 * Elementwise functions of one float32 tensor. `sign(0) = 0`; `sigmoid(x) = 1 / (1 + exp(-x))`.
 * NaN gives NaN.
 */
export const UNARY_OPS = [
  'neg',
  'abs',
  'sign',
  'exp',
  'log',
  'sqrt',
  'square',
  'reciprocal',
  'sin',
  'cos',
  'tanh',
  'sigmoid',
] as const;
/** A name in {@link UNARY_OPS}. */
export type UnaryOp = (typeof UNARY_OPS)[number];

/**
 * Elementwise functions of two float32 tensors with NumPy broadcasting. `greater` gives 1 where
 * a > b, else 0. `maximum` and `minimum` give NaN where either side is NaN.
 */
export const BINARY_OPS = ['add', 'sub', 'mul', 'div', 'maximum', 'minimum', 'greater'] as const;
/** A name in {@link BINARY_OPS}. */
export type BinaryOp = (typeof BINARY_OPS)[number];

/** What {@link RequiredKernels.reduce} does with the values along its axis. */
export type ReduceOp = 'sum' | 'max';

/** The kernels that every backend must have. All shapes are canonical; core has checked them. */
export interface RequiredKernels<H> {
  /** float32 of any shape -> the same shape; see {@link UNARY_OPS}. */
  unary(op: UnaryOp, x: KernelTensor<H>): H;
  /** `shape` is the broadcast result; operands have at most that rank. */
  binary(op: BinaryOp, a: KernelTensor<H>, b: KernelTensor<H>, shape: Shape): H;
  /** a [B, M, K] (or [B, K, M] if transposeA) times b [B, K, N] (or [B, N, K]) -> [B, M, N]. */
  matmul(a: KernelTensor<H>, b: KernelTensor<H>, transposeA: boolean, transposeB: boolean): H;
  /** x [outer, n, inner] -> [outer, inner]; n >= 1. */
  reduce(op: ReduceOp, x: KernelTensor<H>): H;
  /** x [rows, n] -> int32 [rows]: lowest index of the minimum; NaN never wins; all NaN gives 0. */
  argmin(x: KernelTensor<H>): H;
  /** x [N, d] (float32 or int32), indices int32 [M] -> [M, d] of x's dtype. */
  gatherRows(x: KernelTensor<H>, indices: KernelTensor<H>): H;
  /** updates [M, d], indices int32 [M] -> [rows, d]; rows that no index names are zero. */
  scatterAddRows(updates: KernelTensor<H>, indices: KernelTensor<H>, rows: number): H;
  /** Output axis i is input axis `axes[i]`. float32 or int32. */
  permute(x: KernelTensor<H>, axes: readonly number[]): H;
  /** float32 or int32. */
  slice(x: KernelTensor<H>, begin: readonly number[], size: readonly number[]): H;
  /** At least two tensors of one dtype. */
  concat(xs: readonly KernelTensor<H>[], axis: number): H;
  /**
   * The n nearest codewords of each row by squared Euclidean distance, nearest first, ties to the
   * lowest index. Must not build an N x k table. x [N, d], codebook [k, d], n <= k ->
   * indices int32 [N, n], distances float32 [N, n]. Inputs are finite.
   */
  nearest(x: KernelTensor<H>, codebook: KernelTensor<H>, n: number): { indices: H; distances: H };
}

/** What a linear layer applies to its result before it leaves the kernel. */
export const ACTIVATIONS = ['none', 'gelu', 'silu'] as const;
/** A name in {@link ACTIVATIONS}; `gelu` is the tanh approximation. */
export type Activation = (typeof ACTIVATIONS)[number];

/**
 * A weight matrix [rows, columns] as vector quantization stores it. Sub-vectors run along a row, in
 * row-major order; code i belongs to row group floor(i groups / N) and names codeword
 * `group * k + code`.
 */
export interface PackedKernelWeight<H = unknown> {
  /** int32 [words]: the bit stream of `packCodes`, least significant bit first, filled up with zeros. */
  readonly codes: KernelTensor<H>;
  /** [groups k, d] */
  readonly codebook: KernelTensor<H>;
  readonly rows: number;
  /** A multiple of d. */
  readonly columns: number;
  readonly groups: number;
  /** Bits of one code, 1 to 16. */
  readonly width: number;
}

/** What follows the product of a linear layer, in this order: bias, activation, gate and residual. */
export interface LinearEpilogue<H = unknown> {
  /** [out] */
  readonly bias?: KernelTensor<H> | undefined;
  readonly activation: Activation;
  /** residual [rows, out] + gate [images, out] * y; row i belongs to image floor(i images / rows). */
  readonly gated?:
    | { readonly gate: KernelTensor<H>; readonly residual: KernelTensor<H> }
    | undefined;
}

/** Constants of one AdamW step. */
export interface AdamwConstants {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decoupled from the gradient: the value first shrinks by learningRate * weightDecay. */
  readonly weightDecay: number;
  /** From 1; the bias corrections are 1 - beta^step. */
  readonly step: number;
}

/** Optional kernels. Without them core composes the same function from the required ones. */
export interface FusedKernels<H> {
  /** x [rows, in] -> [rows, out]: x W^T, then the epilogue. weight [out, in], dense or packed. */
  linear(
    x: KernelTensor<H>,
    weight: KernelTensor<H> | PackedKernelWeight<H>,
    epilogue: LinearEpilogue<H>,
  ): H;
  /**
   * Multi-head attention of queries, keys and values side by side, [N, T, 3D] -> [N, T, D]:
   * softmax(q k^T / sqrt(D / heads)) v for each head.
   */
  selfAttention(qkv: KernelTensor<H>, heads: number): H;
  /** Gradient of selfAttention for qkv [N, T, 3D], given grad [N, T, D]. */
  selfAttentionGrad(qkv: KernelTensor<H>, grad: KernelTensor<H>, heads: number): H;
  /** layerNorm(x) (1 + scale) + shift. x [N, T, D], shift and scale [N, D] -> [N, T, D]. */
  modulatedLayerNorm(
    x: KernelTensor<H>,
    shift: KernelTensor<H>,
    scale: KernelTensor<H>,
    epsilon: number,
  ): H;
  /** Gradients of modulatedLayerNorm: x [N, T, D], shift and scale [N, D], given grad [N, T, D]. */
  modulatedLayerNormGrad(
    x: KernelTensor<H>,
    scale: KernelTensor<H>,
    grad: KernelTensor<H>,
    epsilon: number,
  ): { x: H; shift: H; scale: H };
  /** grad times the derivative of GELU (tanh approximation) at x; all of one shape. */
  geluGrad(x: KernelTensor<H>, grad: KernelTensor<H>): H;
  /** grad times the derivative of SiLU at x; all of one shape. */
  siluGrad(x: KernelTensor<H>, grad: KernelTensor<H>): H;
  /** One AdamW step (Loshchilov & Hutter 2019, algorithm 2); all of one shape. */
  adamwStep(
    value: KernelTensor<H>,
    grad: KernelTensor<H>,
    mean: KernelTensor<H>,
    square: KernelTensor<H>,
    constants: AdamwConstants,
  ): { value: H; mean: H; square: H };
  /**
   * One assignment of Lloyd's algorithm with what the update needs. x [N, d], codebook [k, d] ->
   * indices int32 [N] as `nearest` gives them, sums [k, d] and counts [k] of each codeword's rows.
   */
  lloydStep(x: KernelTensor<H>, codebook: KernelTensor<H>): { indices: H; sums: H; counts: H };
  /** x [rows, n] -> [rows, n], over the last axis. */
  softmax(x: KernelTensor<H>): H;
  /** x [rows, n] -> [rows, n]: (x - mean) / sqrt(variance + epsilon), no affine part. */
  layerNorm(x: KernelTensor<H>, epsilon: number): H;
  /** GELU with the tanh approximation. */
  gelu(x: KernelTensor<H>): H;
  /** x * sigmoid(x). */
  silu(x: KernelTensor<H>): H;
  /** codebook [k, d], candidates int32 [N, n], ratios [N, n] -> sum_j ratios_j codebook[cand_j], [N, d]. */
  softReconstruct(
    codebook: KernelTensor<H>,
    candidates: KernelTensor<H>,
    ratios: KernelTensor<H>,
  ): H;
  /** Gradients of softReconstruct for its codebook [k, d] and ratios [N, n], given grad [N, d]. */
  softReconstructGrad(
    codebook: KernelTensor<H>,
    candidates: KernelTensor<H>,
    ratios: KernelTensor<H>,
    grad: KernelTensor<H>,
  ): { codebook: H; ratios: H };
  /** One RMSprop step; all of one shape. square' = a square + (1-a) g^2; value' = value - lr g / (sqrt(square') + eps). */
  rmspropStep(
    value: KernelTensor<H>,
    grad: KernelTensor<H>,
    square: KernelTensor<H>,
    options: { learningRate: number; decay: number; epsilon: number },
  ): { value: H; square: H };
}

/** Unit roundoff class of a backend's arithmetic; tolerances follow from it. */
export type PrecisionTier = 'f64' | 'f32' | 'tf32' | 'f16';

/** What really runs, as told by the device itself. */
export interface BackendInfo {
  readonly id: string;
  /** For people: processor or graphics card, and through which library. */
  readonly device: string;
  readonly isGpu: boolean;
  readonly precision: PrecisionTier;
  readonly versions: Readonly<Record<string, string>>;
}

/** One operation about to run, for {@link Backend.supports}. */
export interface OpQuery {
  readonly op: keyof RequiredKernels<unknown> | keyof FusedKernels<unknown> | 'upload';
  readonly shapes: readonly Shape[];
  readonly dtypes: readonly DType[];
}

/** Whether a backend runs an operation, or a reason for people why it does not. */
export type Support = true | { readonly reason: string };

/**
 * A device that can hold tensors and run the required kernels on them. Write one of these, run the
 * conformance kit against it, and everything else in the project works on it.
 *
 * Kernels are called with legal arguments only and must not change their inputs. They may queue
 * work; `read` and `sync` wait for it. A kernel returns a handle the caller owns until `free`.
 */
export interface Backend<H = unknown> {
  readonly id: string;
  /** What really runs; asked of the device, not assumed. */
  info(): BackendInfo;
  /** Declares limits up front: a refusal here is the only legal way not to run an operation. */
  supports?(query: OpQuery): Support;
  /** Copies `data`, row-major, to the device; the array may change as soon as this returns. */
  upload(data: Float32Array | Int32Array, shape: Shape, dtype: DType): H;
  /** A copy the caller owns: Float32Array for float32, Int32Array for int32. */
  read(x: KernelTensor<H>): Promise<Float32Array | Int32Array>;
  /** Gives a buffer back. Called once per handle; work that still reads it must come to its end. */
  free(handle: H): void;
  /** Resolves when all queued work is done; needed for honest timing. */
  sync(): Promise<void>;
  /** Buffers the backend itself counts as alive, where it can tell. */
  liveBuffers?(): number;
  /** Releases the device. Nothing is called afterwards. */
  close(): Promise<void>;
  readonly kernels: RequiredKernels<H>;
  readonly fused?: Partial<FusedKernels<H>>;
  /** The assignments of k-means, where the backend makes them faster than the host. */
  readonly kmeans?: KMeansAccelerator;
}
