export { openTorchCheckpoint, type TorchCheckpoint, type TorchCheckpointOptions } from './open.ts';
export {
  type PickleDict,
  PickleGlobal,
  PickleRecord,
  PickleTuple,
  type PickleValue,
  type Spend,
  TorchStorage,
  TorchTensor,
} from './pickle-value.ts';
export type { JsonValue } from './plain-json.ts';
export type { StateDictKey } from './state-dict.ts';
