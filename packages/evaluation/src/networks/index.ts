export { loadDemoNetwork } from './demo-network.ts';
export { type InceptionOptions, loadInception } from './inception.ts';
export type { ByteImages, FeatureNetwork, ImageFeatures } from './network.ts';
export { resizeBilinear } from './resize.ts';
