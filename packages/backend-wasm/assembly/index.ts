// Every kernel of the engine; one line per file.
export * from './scratch';
export * from './pool';
export * from './testing';
export * from './activations';
export * from './attention';
export * from './attention-grad';
export * from './layer-norm';
export * from './layer-norm-grad';
export * from './optimizer';
export * from './softmax';
export * from './argmin';
export * from './elementwise-binary';
export * from './elementwise-unary';
export * from './movement-copy';
export * from './movement-rows';
export * from './movement-transpose';
export * from './reduce';
