import { FileFormatError } from '@vq4dit/core';
import { PickleRecord, type PickleValue, TorchTensor } from './pickle-value.ts';

/** Key under which a checkpoint may keep the weights. */
export type StateDictKey = 'ema' | 'model' | 'state_dict';

/** Where a checkpoint keeps the weights; the first of these that holds tensors is taken. */
export const STATE_DICT_KEYS: readonly StateDictKey[] = ['ema', 'model', 'state_dict'];

/** The weights of a checkpoint and the place where they were found. */
export interface StateDict {
  /** Undefined for the root itself. */
  readonly key: StateDictKey | undefined;
  readonly tensors: ReadonlyMap<string, TorchTensor>;
}

/**
 * Finds the state dict of a checkpoint: under `ema` (the averaged weights, which are the ones to
 * sample from), else under `model`, else under `state_dict`, else at the root. Values that are no
 * tensors, and keys that are no strings, are not part of it. With `only`, no other key is tried.
 *
 * @throws FileFormatError where none of these places holds a tensor
 */
export function findStateDict(
  root: PickleValue,
  file: string,
  only: StateDictKey | undefined,
): StateDict {
  for (const key of only === undefined ? [...STATE_DICT_KEYS, undefined] : [only]) {
    const place = key === undefined ? root : field(root, key);
    const tensors = tensorsOf(place);
    if (tensors.size > 0) return { key, tensors };
  }
  const places = only ?? `${STATE_DICT_KEYS.join(', ')} or the root`;
  throw new FileFormatError(`${file}: no state dict: there is no dict with tensors at ${places}.`);
}

/** The value of a key of a dict, or of a field of a named record. */
export function field(value: PickleValue | undefined, key: string): PickleValue | undefined {
  if (value instanceof PickleRecord) return value.fields?.get(key);
  return value instanceof Map ? value.get(key) : undefined;
}

function tensorsOf(place: PickleValue | undefined): Map<string, TorchTensor> {
  const tensors = new Map<string, TorchTensor>();
  if (!(place instanceof Map)) return tensors;
  for (const [name, value] of place) {
    if (typeof name === 'string' && value instanceof TorchTensor) tensors.set(name, value);
  }
  return tensors;
}
