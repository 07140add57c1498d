import { createReferenceBackend } from '@vq4dit/backend-reference';
import { type Backend, TensorOps } from '../../src/index.ts';

/** The reference backend, noting every kernel that is called. */
export function spyBackend(overrides: Partial<Backend> = {}) {
  const calls: string[] = [];
  const original: Backend = createReferenceBackend();
  const kernels = Object.fromEntries(
    Object.entries(original.kernels).map(([name, kernel]) => [
      name,
      (...args: unknown[]) => {
        calls.push(name);
        return (kernel as (...args: unknown[]) => unknown)(...args);
      },
    ]),
  ) as unknown as Backend['kernels'];
  const backend: Backend = { ...original, kernels, ...overrides };
  return { backend, calls, ops: new TensorOps(backend) };
}
