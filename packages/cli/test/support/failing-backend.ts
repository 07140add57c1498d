import type { Backend, RequiredKernels } from '@vq4dit/core';

/** A fault of a device, in the middle of work. */
export interface Fault {
  /** Kernel calls that still succeed. */
  readonly after: number;
  readonly error: () => Error;
  /** True: every later call fails as well, as on a device that is gone. */
  readonly lasting: boolean;
}

/** The backend, under another id, until the fault. It has no fused kernels: each call is one operation. */
export function failing(backend: Backend, id: string, fault: Fault): Backend {
  let calls = 0;
  const check = () => {
    calls++;
    const isDue = fault.lasting ? calls > fault.after : calls === fault.after + 1;
    if (isDue) throw fault.error();
  };
  const kernels = Object.fromEntries(
    Object.entries(backend.kernels).map(([name, kernel]) => [
      name,
      (...args: never[]) => {
        check();
        return (kernel as (...args: never[]) => unknown)(...args);
      },
    ]),
  ) as unknown as RequiredKernels<unknown>;
  return {
    ...backend,
    id,
    info: () => ({ ...backend.info(), id }),
    kernels,
    fused: {},
    read: async (x) => {
      if (fault.lasting && calls > fault.after) throw fault.error();
      return backend.read(x);
    },
  };
}
