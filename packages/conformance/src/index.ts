export * from './assignment.ts';
export { FUSED_KERNELS, REQUIRED_KERNELS } from './audit.ts';
export * from './comparators.ts';
export { supportRows, wayOf } from './dry-run.ts';
export {
  type CaseStatus,
  checkExpectedFailures,
  type ExpectedFailure,
} from './expected-failures.ts';
export { FLOOR } from './floor.ts';
export * from './host-tensor.ts';
export { type Limits, limitsOf } from './limits.ts';
export { type MeasureOptions, measure } from './measure.ts';
export type {
  CaseOp,
  CheckCase,
  CheckContext,
  ErrorCase,
  Expected,
  OpCase,
  PropertyCase,
  Trial,
  ValueCase,
} from './op-case.ts';
export { COLUMNS, type Row, type RowMode, type Way } from './row.ts';
export {
  type CaseResult,
  type ConformanceOptions,
  type Report,
  runConformance,
  summaryLine,
} from './run-conformance.ts';
export { CASES, CONTRACT, uncovered } from './table.ts';
export { WORKLOADS, type Work, type Workload } from './workloads/index.ts';
