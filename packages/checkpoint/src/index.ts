export * from './artefact/index.ts';
export * from './half/index.ts';
export * from './io/index.ts';
export * from './model/index.ts';
export * from './safetensors/index.ts';
export * from './tensor/index.ts';
export * from './torch/index.ts';
export * from './vae/index.ts';
