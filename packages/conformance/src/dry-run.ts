import {
  type Backend,
  type OpQuery,
  RandomStream,
  type Support,
  TensorOps,
  UnsupportedOpError,
} from '@vq4dit/core';
import { FUSED_KERNELS, isOptional, MULTIPLE_OUTPUTS, REQUIRED_KERNELS } from './audit.ts';
import type { Row, Way } from './row.ts';
import { upload } from './run-trial.ts';
import { WORKLOADS, type Workload } from './workloads/index.ts';

/** Names of the outputs of kernels that have several. */
const OUTPUTS = [
  'indices',
  'distances',
  'codebook',
  'ratios',
  'value',
  'mean',
  'square',
  'x',
  'shift',
  'scale',
  'sums',
  'counts',
];

/** Zeros where a workload draws its inputs: nobody computes with them, and millions take seconds. */
const ZEROS: RandomStream = Object.assign(Object.create(RandomStream.prototype) as RandomStream, {
  normal: () => 0,
  uniform: () => 0,
  integer: () => 0,
});

/** What core asked of the backend and what it called. */
interface Shadow {
  readonly backend: Backend;
  readonly calls: string[];
  /** Reasons of refusals by operation, the last one of each. */
  readonly refusals: Map<string, string>;
}

/**
 * A backend that answers for another one and computes nothing: it has the same kernels and asks the
 * same `supports`, so core decides as it would, at any size and at once.
 */
function shadow(backend: Backend): Shadow {
  const calls: string[] = [];
  const refusals = new Map<string, string>();
  const stub = (name: string) => () => {
    calls.push(name);
    if (!MULTIPLE_OUTPUTS.has(name)) return {};
    return Object.fromEntries(OUTPUTS.map((output) => [output, {}]));
  };
  const stubs = (names: readonly string[]) => Object.fromEntries(names.map((n) => [n, stub(n)]));
  const fused = FUSED_KERNELS.filter((name) => backend.fused?.[name] !== undefined);
  const supports = (query: OpQuery): Support => {
    const answer = backend.supports?.(query) ?? true;
    if (answer !== true) refusals.set(query.op, answer.reason);
    return answer;
  };
  return {
    calls,
    refusals,
    backend: {
      id: backend.id,
      info: () => backend.info(),
      supports,
      upload: stub('upload'),
      read: async () => new Float32Array(),
      free: () => {},
      sync: async () => {},
      close: async () => {},
      kernels: stubs(REQUIRED_KERNELS) as unknown as Backend['kernels'],
      fused: stubs(fused) as unknown as NonNullable<Backend['fused']>,
    },
  };
}

/** How a backend would compute one workload, and why not by a kernel of its own that it has. */
export function wayOf(backend: Backend, workload: Workload): { way: Way; message?: string } {
  const dry = shadow(backend);
  const ops = new TensorOps(dry.backend);
  const work = workload.make(ZEROS);
  const live: Disposable[] = [];
  try {
    const inputs = work.inputs.map((input) => upload(ops, input));
    live.push(...inputs);
    const weight = work.prepare?.(ops);
    if (weight) live.push(weight);
    dry.calls.length = 0;
    live.push(...work.run(ops, inputs, weight));
  } catch (error) {
    if (!(error instanceof UnsupportedOpError)) throw error;
    const [op, reason] = [...dry.refusals].at(-1) ?? [workload.op, error.message];
    return { way: 'refused', message: op === workload.op ? reason : `${op}: ${reason}` };
  } finally {
    for (const thing of live) thing[Symbol.dispose]();
  }
  if (!isOptional(workload.op)) return { way: 'required' };
  if (dry.calls.includes(workload.op)) return { way: 'fused' };
  const message = dry.refusals.get(workload.op);
  return { way: 'composed', ...(message !== undefined && { message }) };
}

/** How a backend computes each workload; runs nothing on the device. */
export function supportRows(backend: Backend, workloads: readonly Workload[] = WORKLOADS): Row[] {
  const { device, isGpu, precision } = backend.info();
  return workloads.map((workload) => {
    const { way, message } = wayOf(backend, workload);
    return {
      mode: 'support',
      backend: backend.id,
      device,
      is_gpu: isGpu,
      precision,
      op: workload.op,
      params: workload.params,
      way,
      supported: way !== 'refused',
      ...(message !== undefined && { message }),
    };
  });
}
