/** What a command does with a case: run it, time it, ask whether it can run, or name it. */
export type RowMode = 'test' | 'perf' | 'support' | 'list';

/** How a backend computes an operation. */
export type Way =
  /** By the kernel that every backend must have. */
  | 'required'
  /** By a kernel of its own for an operation that core could compose. */
  | 'fused'
  /** By core's composition of required kernels. */
  | 'composed'
  /** Not at all. */
  | 'refused';

/** One line of output, of the same form in every mode; what a mode does not know is left out. */
export interface Row {
  readonly mode: RowMode;
  readonly backend?: string;
  readonly device?: string;
  readonly is_gpu?: boolean;
  readonly precision?: string;
  /** Kernel, or the name of one of its variants: `matmul`, `exp`. */
  readonly op: string;
  /** What stands in the brackets of a case id. */
  readonly params: string;
  readonly way?: Way;
  readonly supported?: boolean;
  readonly passed?: boolean;
  /** `passed`, `failed`, `unsupported`, `expected-fail`; in a list: `required` or `optional`. */
  readonly status?: string;
  /** Why it failed, was refused or was expected to fail. */
  readonly message?: string;
  /** Median of the timed runs, in microseconds. */
  readonly time_us?: number;
  /** 10^9 floating point operations a second, where arithmetic is the work. */
  readonly gflops?: number;
  /** 10^9 bytes a second, where moving data is the work. */
  readonly gb_s?: number;
  readonly n_runs?: number;
  readonly seed?: number;
  /** fast-check's path of a failed property. */
  readonly path?: string;
  /** A command that runs this case alone, with the same data. */
  readonly replay?: string;
}

/** The columns of a table of rows, in their order. */
export const COLUMNS = [
  'mode',
  'backend',
  'device',
  'is_gpu',
  'precision',
  'op',
  'params',
  'way',
  'supported',
  'passed',
  'status',
  'message',
  'time_us',
  'gflops',
  'gb_s',
  'n_runs',
  'seed',
  'path',
  'replay',
] as const satisfies readonly (keyof Row)[];

/** Compile-time proof that no column is missing. */
const complete: [Exclude<keyof Row, (typeof COLUMNS)[number]>] extends [never] ? true : never =
  true;
void complete;
