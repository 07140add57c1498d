export { candidateRanks } from './candidate-ranks.ts';
export { type GradientAgreement, gradientAgreement } from './gradient-agreement.ts';
export { type GradientOptions, weightGradients } from './weight-gradients.ts';
