export { frechetDistance } from './frechet.ts';
export { inceptionScore } from './inception-score.ts';
export { type KernelDistanceOptions, kernelDistance } from './kernel-distance.ts';
export { type PrecisionRecall, precisionRecall } from './manifold.ts';
export type { FeatureSet } from './pairwise.ts';
export { psnr } from './psnr.ts';
export { type GaussianStatistics, StatisticsAccumulator, statisticsOf } from './statistics.ts';
