export { gelu, geluGradOp, geluOp, silu, siluGradOp, siluOp } from './activations.ts';
export { adamwOp, adamwStep } from './adamw.ts';
export { attention } from './attention.ts';
export { layerNorm, layerNormOp } from './layer-norm.ts';
export {
  type LinearAttrs,
  type LinearOptions,
  type LinearWeight,
  linear,
  linearOp,
  meanSquaredError,
} from './linear.ts';
export { lloydStep, lloydStepOp } from './lloyd-step.ts';
export {
  modulatedLayerNorm,
  modulatedLayerNormGradOp,
  modulatedLayerNormOp,
} from './modulated-layer-norm.ts';
export { PackedWeight, type PackedWeightParts } from './packed-weight.ts';
export { type RmspropOptions, rmspropOp, rmspropStep } from './rmsprop.ts';
export { selfAttention, selfAttentionGradOp, selfAttentionOp } from './self-attention.ts';
export { softReconstruct, softReconstructGradOp, softReconstructOp } from './soft-reconstruct.ts';
export { softmax, softmaxOp } from './softmax.ts';
