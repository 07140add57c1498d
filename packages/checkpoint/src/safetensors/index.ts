export type { TensorDeclaration } from './encode-header.ts';
export type { SafetensorsEntry } from './header.ts';
export { openSafetensors, type SafetensorsFile } from './read.ts';
export {
  encodeSafetensors,
  type TensorBytes,
  type TensorToWrite,
  writeSafetensors,
} from './write.ts';
