import { attentionWorkloads } from './attention.ts';
import { elementaryWorkloads } from './elementary.ts';
import { linearWorkloads } from './linear.ts';
import { quantizationWorkloads } from './quantization.ts';
import { rowWorkloads } from './rows.ts';
import type { Workload } from './workload.ts';

export type { Work, Workload } from './workload.ts';

/** Every kernel of the contract at sizes of DiT-XL/2 and of its layers' sub-vectors. */
export const WORKLOADS: readonly Workload[] = [
  ...linearWorkloads,
  ...attentionWorkloads,
  ...rowWorkloads,
  ...quantizationWorkloads,
  ...elementaryWorkloads,
];
