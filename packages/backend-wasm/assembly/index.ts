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
