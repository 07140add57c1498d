export type { KeyNames, ModelFile, ModelTensors } from './model-file.ts';
export { type OpenModelOptions, openModel } from './open-model.ts';
