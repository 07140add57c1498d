export { type CollectOptions, collectFeatures } from './collect.ts';
export { type FeatureSizes, FeatureStore, STORE_BATCH, type StoredBatch } from './feature-store.ts';
export { type GatheredFeatures, gather } from './gather.ts';
export { checkRange, type ImageSource, npzImages } from './image-source.ts';
