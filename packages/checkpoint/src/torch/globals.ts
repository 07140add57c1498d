import { FileFormatError } from '@vq4dit/core';
import { quote } from '../io/describe.ts';
import type { StorageDType } from '../tensor/storage-dtype.ts';
import {
  type PickleDict,
  PickleGlobal,
  PickleRecord,
  PickleTuple,
  type PickleValue,
  type Spend,
  TorchStorage,
  TorchTensor,
} from './pickle-value.ts';
import { makeTensor } from './strides.ts';

/** PyTorch's classes of storages, by what follows `torch.`. */
const STORAGES: Readonly<Record<string, StorageDType>> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

/**
 * The complete list of names that a checkpoint may refer to. `where` begins error messages.
 * Each entry builds plain data; there is no way from here to any other code.
 */
export function allowedGlobals(where: string): ReadonlyMap<string, PickleGlobal> {
  const fail = (problem: string): never => {
    throw new FileFormatError(`${where} ${problem}.`);
  };
  const globals = [
    new PickleGlobal('torch._utils._rebuild_tensor_v2', {
      call: (args) => rebuildTensor(args, fail),
    }),
    new PickleGlobal('torch._utils._rebuild_parameter', {
      call: ([tensor]) =>
        tensor instanceof TorchTensor ? tensor : fail('has a parameter without a tensor'),
    }),
    new PickleGlobal('torch.Size', {
      call: ([size]) => (size instanceof PickleTuple ? size : fail('has a torch.Size of no tuple')),
    }),
    new PickleGlobal('collections.OrderedDict', {
      call: (args, spend) => orderedDict(args, spend, fail),
    }),
    new PickleGlobal('argparse.Namespace', {
      create: () => new PickleRecord('argparse.Namespace'),
    }),
    ...Object.entries(STORAGES).map(
      ([name, storageDType]) => new PickleGlobal(`torch.${name}`, { storageDType }),
    ),
  ];
  return new Map(globals.map((allowed) => [allowed.name, allowed]));
}

type Fail = (problem: string) => never;

/** `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata])`. */
function rebuildTensor(args: readonly PickleValue[], fail: Fail): TorchTensor {
  const [storage, offset, size, stride, , , metadata] = args;
  if (args.length < 4 || args.length > 7) return fail('rebuilds a tensor from other arguments');
  if (!(storage instanceof TorchStorage)) return fail('rebuilds a tensor without a storage');
  if (!(size instanceof PickleTuple) || !(stride instanceof PickleTuple)) {
    return fail('rebuilds a tensor whose size or stride is no tuple');
  }
  // Flags such as a pending conjugation or negation would change the values.
  const flags = metadata instanceof Map ? metadata.size > 0 : metadata != null;
  if (flags) return fail(`rebuilds a tensor of storage ${quote(storage.key)} with flags`);
  return makeTensor(storage, offset, size.items, stride.items, fail);
}

/** `OrderedDict()`, or made from a list of pairs. */
function orderedDict(args: readonly PickleValue[], spend: Spend, fail: Fail): PickleDict {
  const dict: PickleDict = new Map();
  const [pairs] = args;
  if (pairs === undefined) return dict;
  if (args.length > 1 || !Array.isArray(pairs)) {
    return fail('makes an OrderedDict of something other than a list of pairs');
  }
  spend(pairs.length);
  for (const pair of pairs) {
    const items = pair instanceof PickleTuple ? pair.items : pair;
    if (!Array.isArray(items) || items.length !== 2 || typeof items[0] !== 'string') {
      return fail('makes an OrderedDict of something other than a list of pairs');
    }
    dict.set(items[0], items[1]);
  }
  return dict;
}
