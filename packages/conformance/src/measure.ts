import {
  type Backend,
  RandomStream,
  type Tensor,
  TensorOps,
  UnsupportedOpError,
} from '@vq4dit/core';
import { audit, isOptional } from './audit.ts';
import type { Values } from './comparators.ts';
import type { Limits } from './limits.ts';
import type { Row, Way } from './row.ts';
import { upload } from './run-trial.ts';
import type { Workload } from './workloads/index.ts';

/** How {@link measure} times. */
export interface MeasureOptions {
  readonly limits: Limits;
  /** Of the inputs; default 0. */
  readonly seed?: number;
  /** Timed runs take at least this long together, in milliseconds; default 500. */
  readonly minTime?: number;
  /** And there are at most so many; default 1000. */
  readonly maxRuns?: number;
  /** A clock in milliseconds; for tests. */
  readonly now?: () => number;
}

/**
 * Runs a workload once, compares the result with the formula and, only if it is right, times it.
 * The first run is the warm-up. Each timed run ends when the device has done the work (`sync`), and
 * the time is the median.
 */
export async function measure(
  backend: Backend,
  workload: Workload,
  options: MeasureOptions,
): Promise<Row> {
  const { device, isGpu, precision } = backend.info();
  const row: Row = {
    mode: 'perf',
    backend: backend.id,
    device,
    is_gpu: isGpu,
    precision,
    op: workload.op,
    params: workload.params,
    seed: options.seed ?? 0,
  };
  try {
    return { ...row, supported: true, ...(await timed(backend, workload, options)) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof UnsupportedOpError) {
      return { ...row, supported: false, way: 'refused', status: 'unsupported', message };
    }
    return { ...row, supported: true, passed: false, status: 'failed', message };
  }
}

async function timed(
  backend: Backend,
  workload: Workload,
  options: MeasureOptions,
): Promise<Partial<Row>> {
  const { limits, seed = 0, minTime = 500, maxRuns = 1000 } = options;
  const now = options.now ?? (() => performance.now());
  const work = workload.make(new RandomStream(seed, `${workload.op}(${workload.params})`));
  const watch = audit(backend);
  const first = new TensorOps(watch.backend);
  const warm: Tensor[] = work.inputs.map((input) => upload(first, input));
  const warmWeight = work.prepare?.(first);
  watch.calls.length = 0;
  try {
    const outputs = work.run(first, warm, warmWeight);
    warm.push(...outputs);
    const way = wayTaken(workload.op, watch.calls);
    const got = await Promise.all(
      outputs.map(
        (x): Promise<Values> => (x.dtype === 'int32' ? first.readIndices(x) : first.read(x)),
      ),
    );
    const wrong = work.judge(got, limits);
    if (wrong !== undefined) return { way, passed: false, status: 'failed', message: wrong };

    // Without the audit between core and the kernels.
    const ops = new TensorOps(backend);
    const inputs = work.inputs.map((input) => upload(ops, input));
    const weight = work.prepare?.(ops);
    const times: number[] = [];
    try {
      await backend.sync();
      for (let total = 0; times.length < maxRuns && (total < minTime || times.length < 2); ) {
        const begin = now();
        const made = work.run(ops, inputs, weight);
        await backend.sync();
        const time = now() - begin;
        for (const tensor of made) tensor.dispose();
        times.push(time);
        total += time;
        // One run of this length says enough.
        if (time > 4 * minTime) break;
      }
    } finally {
      for (const tensor of inputs) tensor.dispose();
      weight?.dispose();
    }
    const time = median(times);
    const rate = (work: number) => work / (time * 1e6);
    return {
      way,
      passed: true,
      status: 'passed',
      time_us: 1e3 * time,
      ...(workload.flops === undefined
        ? { gb_s: rate(workload.bytes) }
        : { gflops: rate(workload.flops) }),
      n_runs: times.length,
    };
  } finally {
    for (const tensor of warm) tensor.dispose();
    warmWeight?.dispose();
  }
}

function wayTaken(op: Workload['op'], calls: readonly string[]): Way {
  if (!isOptional(op)) return 'required';
  return calls.includes(op) ? 'fused' : 'composed';
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
