import type { FeatureSet } from '../metrics/pairwise.ts';
import type { GaussianStatistics } from '../metrics/statistics.ts';

/** What images are compared with. Each part may be missing; the metrics that need it are left out. */
export interface Reference {
  /** What reports call it. */
  readonly name: string;
  /** For FID. */
  readonly statistics?: GaussianStatistics;
  /** For sFID. */
  readonly spatial?: GaussianStatistics;
  /** For precision, recall and KID. */
  readonly pooled?: FeatureSet;
}
