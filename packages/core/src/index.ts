export * from './autodiff/index.ts';
export * from './errors.ts';
export * from './host/index.ts';
export * from './nn/index.ts';
export * from './quantization/index.ts';
export * from './random/index.ts';
export * from './tensor/index.ts';
