import { type Backend, formatShape, sameShape, type Tensor, TensorOps } from '@vq4dit/core';
import { type Audit, audit } from './audit.ts';
import { exact, type Values } from './comparators.ts';
import type { HostTensor } from './host-tensor.ts';
import type { Limits } from './limits.ts';
import type { Expected, Trial } from './op-case.ts';

/** A refusal that the backend declared through `supports`: neither passed nor failed. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}

/** What a case's code runs in: a fresh account over a watched backend. */
export interface Bench {
  readonly watch: Audit;
  readonly ops: TensorOps;
}

/**
 * Runs `body` and checks what every case must keep: no live tensor and no live buffer more than
 * before, no handle returned twice. @throws Refusal for a declared refusal
 */
export async function withBench(
  backend: Backend,
  options: { fused?: boolean },
  body: (bench: Bench) => Promise<string | undefined>,
): Promise<string | undefined> {
  const watch = audit(backend);
  const ops = new TensorOps(watch.backend, options);
  await backend.sync();
  const buffers = backend.liveBuffers?.();
  let problem: string | undefined;
  try {
    problem = await body({ watch, ops });
  } catch (error) {
    const refused = watch.refusals.at(-1);
    if (isNamed(error, 'UnsupportedOpError') && refused) {
      if (!refused.reason?.trim()) return `refused ${refused.query.op} without a reason`;
      throw new Refusal(`${refused.query.op}: ${refused.reason}`);
    }
    if (isNamed(error, 'UnsupportedOpError')) {
      return `threw UnsupportedOpError without declaring it through supports(): ${text(error)}`;
    }
    return `threw ${text(error)}`;
  }
  if (problem !== undefined) return problem;
  if (watch.aliases.length > 0) {
    return `${watch.aliases[0]} returned a handle that it was given, or one handle twice`;
  }
  const { liveTensors } = ops.memory();
  if (liveTensors !== 0) return `${liveTensors} tensors are alive after the case`;
  await backend.sync();
  const left = backend.liveBuffers?.();
  if (left !== buffers) return `${left} buffers are alive after the case, ${buffers} before`;
  return undefined;
}

/** Runs one trial; undefined if all holds. */
export function runTrial(
  backend: Backend,
  trial: Trial,
  limits: Limits,
  options: { fused?: boolean } = {},
): Promise<string | undefined> {
  return withBench(backend, options, async ({ ops }) => {
    const live: Tensor[] = [];
    try {
      const inputs = trial.inputs.map((input) => upload(ops, input));
      live.push(...inputs);
      const before = await readAll(ops, inputs);
      const outputs = trial.run(ops, inputs);
      live.push(...outputs);
      const expected = trial.expected();
      const shapes = compareShapes(outputs, expected);
      if (shapes !== undefined) return shapes;

      const after = await readAll(ops, inputs);
      for (let i = 0; i < inputs.length; i++) {
        const changed = exact(after[i]!, before[i]!, limits);
        if (changed !== undefined) return `input ${i} was changed: ${changed}`;
      }
      const results = await readAll(ops, outputs);
      const wrong = compareValues(results, expected, limits);
      if (wrong !== undefined) return wrong;

      // An output that shares memory with an input shows once that memory is used again.
      for (const input of inputs) input.dispose();
      live.push(...trial.inputs.map((input) => upload(ops, poison(input))));
      const again = await readAll(ops, outputs);
      for (let i = 0; i < outputs.length; i++) {
        const changed = exact(again[i]!, results[i]!, limits);
        if (changed !== undefined) {
          return `output ${i} changed when the inputs were freed; it shares their memory: ${changed}`;
        }
      }
      return undefined;
    } finally {
      for (const tensor of live) if (!tensor.disposed) tensor.dispose();
    }
  });
}

export function upload(ops: TensorOps, { data, shape }: HostTensor): Tensor {
  return data instanceof Int32Array ? ops.indices(data, shape) : ops.tensor(data, shape);
}

function readAll(ops: TensorOps, tensors: readonly Tensor[]): Promise<Values[]> {
  return Promise.all(
    tensors.map((x): Promise<Values> => (x.dtype === 'int32' ? ops.readIndices(x) : ops.read(x))),
  );
}

function poison({ shape, dtype }: HostTensor): HostTensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return dtype === 'int32'
    ? { shape, dtype, data: new Int32Array(size).fill(-77777) }
    : { shape, dtype, data: new Float32Array(size).fill(-54321) };
}

function compareShapes(
  outputs: readonly Tensor[],
  expected: readonly Expected[],
): string | undefined {
  if (outputs.length !== expected.length) {
    return `${outputs.length} outputs, expected ${expected.length}`;
  }
  for (const [i, out] of outputs.entries()) {
    const want = expected[i]!;
    if (!sameShape(out.shape, want.shape) || out.dtype !== want.dtype) {
      return `output ${i} is ${out.dtype}${formatShape(out.shape)}, expected ${want.dtype}${formatShape(want.shape)}`;
    }
  }
  return undefined;
}

/** Compares what was read with what is expected, output by output. */
export function compareValues(
  results: readonly Values[],
  expected: readonly Expected[],
  limits: Limits,
): string | undefined {
  for (const [i, got] of results.entries()) {
    const { values, compare, dtype } = expected[i]!;
    const isRight = dtype === 'int32' ? got instanceof Int32Array : got instanceof Float32Array;
    if (!isRight) return `output ${i} was not read as ${dtype} but as ${got.constructor.name}`;
    if (got.length !== values.length) {
      return `output ${i} was read as ${got.length} elements, expected ${values.length}`;
    }
    const wrong = compare(got, values, limits);
    if (wrong !== undefined) return results.length > 1 ? `output ${i}: ${wrong}` : wrong;
  }
  return undefined;
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}

function text(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
