import { type PackedWeight, RandomStream, type Tensor, type TensorOps } from '@vq4dit/core';
import type { Values } from '../comparators.ts';
import { type ScaledOptions, scaled } from '../comparators.ts';
import type { HostTensor } from '../host-tensor.ts';
import type { Limits } from '../limits.ts';
import type { CaseOp, Trial } from '../op-case.ts';
import { compareValues } from '../run-trial.ts';

/** One operation at the size of a real layer: what `perf` times and `support` asks for. */
export interface Workload {
  readonly op: Exclude<CaseOp, 'reshape' | 'backend'>;
  /** `rows=256,in=1152,out=3456,bias` */
  readonly params: string;
  /** Additions and multiplications of one run, counted by the definition, where they are the work. */
  readonly flops?: number;
  /** Bytes that one run must read and write at least. */
  readonly bytes: number;
  /** Draws the inputs. */
  make(rng: RandomStream): Work;
}

/** The inputs of one workload and what is done with them. */
export interface Work {
  readonly inputs: readonly HostTensor[];
  /** Puts on the device what is no plain tensor; not part of what is timed. */
  prepare?(ops: TensorOps): PackedWeight;
  /** What is timed; the caller frees the outputs. */
  run(
    ops: TensorOps,
    inputs: readonly Tensor[],
    weight: PackedWeight | undefined,
  ): readonly Tensor[];
  /** Undefined if the outputs are right, else where they are not. */
  judge(outputs: readonly Values[], limits: Limits): string | undefined;
}

/** A case's trial as a workload: all outputs are compared with the formula. */
export function fullyJudged(trial: Trial): Work {
  return {
    inputs: trial.inputs,
    run: (ops, inputs) => trial.run(ops, inputs),
    judge: (outputs, limits) => compareValues(outputs, trial.expected(), limits),
  };
}

/** What one element must be, and the scale of its rounding error in units of u. */
export interface Sample {
  readonly value: number;
  readonly magnitude: number;
}

/**
 * Compares `count` elements of an output with the formula: the first, the last, and others drawn
 * with a fixed seed. For outputs whose formula would take minutes everywhere.
 */
export function judgeSamples(
  got: Values,
  length: number,
  at: (index: number) => Sample,
  limits: Limits,
  options: ScaledOptions & { readonly count?: number } = {},
): string | undefined {
  if (got.length !== length) return `${got.length} elements, expected ${length}`;
  const bad = got.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) return `element ${bad} is ${got[bad]}`;
  const rng = new RandomStream(0, 'samples');
  const positions = Array.from({ length: options.count ?? 200 }, (_, i) =>
    i === 0 ? 0 : i === 1 ? length - 1 : rng.integer(length),
  );
  const samples = positions.map(at);
  const wrong = scaled(
    samples.map((s) => s.magnitude),
    1,
    options,
  )(
    Float64Array.from(positions, (i) => got[i]!),
    Float64Array.from(samples, (s) => s.value),
    limits,
  );
  return wrong === undefined ? undefined : `of ${positions.length} sampled elements, ${wrong}`;
}

/** 4 bytes for each element of these. */
export function bytesOf(...tensors: readonly (HostTensor | number)[]): number {
  return 4 * tensors.reduce<number>((n, t) => n + (typeof t === 'number' ? t : t.data.length), 0);
}
