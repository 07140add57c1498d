import { REQUIRED_KERNELS } from '../audit.ts';
import type { OpCase } from '../op-case.ts';

/** What a backend says about itself, and how it counts. */
export const backendCases: readonly OpCase[] = [
  {
    kind: 'check',
    op: 'backend',
    id: 'backend(info)',
    async check({ backend, limits }) {
      const { id, device, isGpu, precision, versions } = backend.info();
      if (id !== backend.id || !id.trim())
        return `info() names "${id}", the backend "${backend.id}"`;
      if (typeof device !== 'string' || !device.trim()) return 'info() names no device';
      if (typeof isGpu !== 'boolean') return 'info() does not say whether the device is a GPU';
      if (typeof versions !== 'object' || versions === null) return 'info() has no versions';
      return precision === limits.tier
        ? undefined
        : `info() declares precision ${precision}, the test ${limits.tier}`;
    },
  },
  {
    kind: 'check',
    op: 'backend',
    id: 'backend(kernels)',
    async check({ backend }) {
      const missing = REQUIRED_KERNELS.filter(
        (name) => typeof backend.kernels[name] !== 'function',
      );
      return missing.length === 0 ? undefined : `missing kernels: ${missing.join(', ')}`;
    },
  },
  {
    kind: 'check',
    op: 'backend',
    id: 'backend(liveBuffers)',
    async check({ backend, ops }) {
      if (!backend.liveBuffers) return undefined;
      await backend.sync();
      const before = backend.liveBuffers();
      const x = ops.tensor([1, 2, 3], [3]);
      const y = ops.exp(x);
      await backend.sync();
      const during = backend.liveBuffers();
      x.dispose();
      y.dispose();
      await backend.sync();
      const after = backend.liveBuffers();
      if (during !== before + 2) return `two tensors raise the count from ${before} to ${during}`;
      return after === before ? undefined : `${after} buffers after all is freed, ${before} before`;
    },
  },
  {
    kind: 'check',
    op: 'backend',
    id: 'backend(manyTensors)',
    // A backend that keeps freed buffers or queued work forever runs out of something.
    async check({ ops }) {
      const x = ops.fill([64], 1);
      let sum = ops.fill([64], 0);
      for (let i = 0; i < 300; i++) {
        const next = ops.add(sum, x);
        sum.dispose();
        sum = next;
      }
      const values = await ops.read(sum);
      x.dispose();
      sum.dispose();
      return values.every((v) => v === 300) ? undefined : `300 additions of 1 gave ${values[0]}`;
    },
  },
];
