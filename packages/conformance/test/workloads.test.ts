import { RandomStream, TensorOps } from '@vq4dit/core';
import { describe, expect, it } from 'vitest';
import { FUSED_KERNELS, limitsOf, REQUIRED_KERNELS, type Values, WORKLOADS } from '../src/index.ts';
import { measure } from '../src/measure.ts';
import { upload } from '../src/run-trial.ts';
import { createGood } from './support/backends.ts';

const LIMITS = limitsOf('f32');

describe('workloads', () => {
  it('are there for every kernel, and have no name twice', () => {
    const ops = new Set(WORKLOADS.map((w) => w.op));
    expect([...REQUIRED_KERNELS, ...FUSED_KERNELS].filter((op) => !ops.has(op))).toEqual([]);
    const names = WORKLOADS.map((w) => `${w.op}(${w.params})`);
    expect(new Set(names).size).toBe(names.length);
  });

  it('count the arithmetic of a layer as the sum over its outputs', () => {
    const qkv = WORKLOADS.find((w) => w.params.startsWith('qkv') && w.params.includes('dense'))!;
    expect(qkv.flops).toBe(2 * 256 * 1152 * 3456);
    expect(qkv.bytes).toBe(4 * (256 * 1152 + 1152 * 3456 + 3456 + 256 * 3456));
    const fc1 = WORKLOADS.find((w) => w.params.startsWith('fc1') && w.params.includes('packed'))!;
    // One byte for four weights, and 256 codewords of four.
    expect(fc1.bytes).toBe(4 * (256 * 1152 + 256 * 4608 + 4608) + (1152 * 4608) / 4);
  });
});

describe('measuring', () => {
  const add = WORKLOADS.find((w) => w.op === 'binary')!;

  it('waits for the device inside the timed region, and gives the median', async () => {
    const backend = createGood();
    let clock = 0;
    const waits = [100, 1, 7, 3, 5, 1000];
    // The first wait is before the clock starts.
    const sync = async () => {
      clock += waits.shift() ?? 1;
    };
    const slow = { ...backend, sync };
    const row = await measure(slow, add, {
      limits: LIMITS,
      minTime: 1e6,
      maxRuns: 4,
      now: () => clock,
    });
    expect(row).toMatchObject({ passed: true, n_runs: 4, time_us: 4000 });
    expect(row.gb_s).toBeCloseTo(add.bytes / 4e6, 9);
    expect(backend.liveBuffers!()).toBe(0);
  });

  it('stops when the runs took long enough together', async () => {
    let clock = 0;
    const sync = async () => {
      clock += 30;
    };
    const slow = { ...createGood(), sync };
    const row = await measure(slow, add, { limits: LIMITS, minTime: 100, now: () => clock });
    expect(row.n_runs).toBe(4);
  });
});

/** Products that take the reference seconds are judged where real backends are measured. */
const QUICK = WORKLOADS.filter((w) => !(w.flops! > 8e8) || w.op === 'lloydStep');

describe('judging', () => {
  it.each(QUICK.map((w) => [`${w.op}(${w.params})`, w] as const))(
    '%s: right results pass, each output that is off fails',
    async (_, workload) => {
      const ops = new TensorOps(createGood());
      const work = workload.make(new RandomStream(0, 'judging'));
      const inputs = work.inputs.map((x) => upload(ops, x));
      const outputs = work.run(ops, inputs, work.prepare?.(ops));
      const right = await Promise.all(
        outputs.map(
          (x): Promise<Values> => (x.dtype === 'int32' ? ops.readIndices(x) : ops.read(x)),
        ),
      );
      expect(work.judge(right, LIMITS)).toBeUndefined();
      for (const [i, values] of right.entries()) {
        const off = right.slice();
        // Of products only samples are looked at, so all must be off; of others one is enough.
        const from = workload.flops === undefined ? values.length - 1 : 0;
        off[i] = values.map((v, at) => (at < from ? v : wrong(v, values instanceof Int32Array)));
        expect(work.judge(off, LIMITS)).toBeDefined();
        off[i] = values.slice(1);
        expect(work.judge(off, LIMITS)).toBeDefined();
      }
    },
  );
});

/** Another codeword or column, or another number. */
function wrong(value: number, isIndex: boolean): number {
  if (isIndex) return value === 0 ? 1 : value - 1;
  return 1.01 * value + 0.1 * Math.sign(value || 1);
}
