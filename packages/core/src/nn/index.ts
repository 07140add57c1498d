export { gelu, geluOp, silu, siluOp } from './activations.ts';
export { attention } from './attention.ts';
export { layerNorm, layerNormOp } from './layer-norm.ts';
export { linear, meanSquaredError } from './linear.ts';
export { type RmspropOptions, rmspropOp, rmspropStep } from './rmsprop.ts';
export { softReconstruct, softReconstructGradOp, softReconstructOp } from './soft-reconstruct.ts';
export { softmax, softmaxOp } from './softmax.ts';
