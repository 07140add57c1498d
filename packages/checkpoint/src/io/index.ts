export { type AtomicWriteOptions, writeFileAtomic } from './atomic-file.ts';
export { writeFolderAtomic } from './atomic-folder.ts';
export { type ByteSource, memorySource } from './byte-source.ts';
export { openFileSource } from './file-source.ts';
export { outputError } from './output-error.ts';
