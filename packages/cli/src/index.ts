export { createRegistry } from './backends.ts';
export { DECLARATIONS } from './commands/conformance.ts';
export { main } from './main.ts';
export type { GridSettings } from './quantize/grid-options.ts';
export type { QuantizeJob, QuantizeResult } from './quantize/job.ts';
export { type LayerPlan, type LayerSelection, planLayers } from './quantize/layers.ts';
export {
  type CalibrationBudget,
  DEFAULT_SETTINGS,
  METHOD_NAMES,
  type MethodName,
  type QuantizeSettings,
  RECIPES,
  type RecipeName,
} from './quantize/options.ts';
export { runQuantize } from './quantize/run.ts';
export { type DrawOptions, draw } from './sample/draw.ts';
export { encodeGrid, type ImageBatch } from './sample/grid.ts';
export { type Interrupt, interruptSignal } from './terminal/interrupt.ts';
export { formatSeconds } from './terminal/reporter.ts';
