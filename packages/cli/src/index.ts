export { createRegistry } from './backends.ts';
export { main } from './main.ts';
export { type LayerPlan, type LayerSelection, planLayers } from './quantize/layers.ts';
export {
  type CalibrationBudget,
  DEFAULT_SETTINGS,
  type QuantizeSettings,
  RECIPES,
  type RecipeName,
} from './quantize/options.ts';
export { type QuantizeJob, type QuantizeResult, runQuantize } from './quantize/run.ts';
