// Every kernel of the engine; one line per file.
export * from './scratch';
export * from './pool';
export * from './testing';
