import type { KernelGroup } from '../kernel-table.ts';

/** Every file of kernels: one line to import it, one to list it. */
export const KERNEL_GROUPS: readonly KernelGroup[] = [];
