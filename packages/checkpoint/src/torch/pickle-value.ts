import type { StorageDType } from '../tensor/storage-dtype.ts';

/**
 * What a pickle may hold: plain data and tensors. Lists are arrays, dictionaries (ordered or not)
 * are Maps, sets are Sets; integers are numbers where they are exact and bigints beyond.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | PickleTuple
  | PickleDict
  | Set<PickleValue>
  | PickleRecord
  | PickleGlobal
  | TorchStorage
  | TorchTensor;

/** A Python dictionary, ordered or not, with its keys in the order of the pickle. */
export type PickleDict = Map<PickleValue, PickleValue>;

/** A Python tuple. */
export class PickleTuple {
  readonly items: readonly PickleValue[];

  constructor(items: readonly PickleValue[]) {
    this.items = items;
  }
}

/** An object of an allowed class that is nothing but named fields (`argparse.Namespace`). */
export class PickleRecord {
  readonly typeName: string;
  /** The object's `__dict__`; set once, by the pickle's BUILD. */
  fields: PickleDict | undefined;

  constructor(typeName: string) {
    this.typeName = typeName;
  }
}

/**
 * An allowed name of a Python module. It can be called only in the ways that are given here, and
 * all of them build data.
 */
export class PickleGlobal {
  /** `module.attribute`. */
  readonly name: string;
  /** Element type, where it is a class of storages. */
  readonly storageDType: StorageDType | undefined;
  /** What calling it gives (REDUCE). */
  readonly call: ((args: readonly PickleValue[], spend: Spend) => PickleValue) | undefined;
  /** What making an object of this class gives (NEWOBJ). */
  readonly create: (() => PickleValue) | undefined;

  constructor(
    name: string,
    allowed: Pick<Partial<PickleGlobal>, 'storageDType' | 'call' | 'create'>,
  ) {
    this.name = name;
    this.storageDType = allowed.storageDType;
    this.call = allowed.call;
    this.create = allowed.create;
  }
}

/** Accounts for work that is not paid for by the bytes of the pickle; throws when it is too much. */
export type Spend = (steps: number) => void;

/** A storage of the archive: one run of elements, shared by any number of tensors. */
export class TorchStorage {
  /** Its record is `<archive>/data/<key>`. */
  readonly key: string;
  readonly dtype: StorageDType;
  /** Number of elements. */
  readonly elements: number;

  constructor(key: string, dtype: StorageDType, elements: number) {
    this.key = key;
    this.dtype = dtype;
    this.elements = elements;
  }
}

/** A tensor: a strided view of a storage, checked to lie inside it. */
export class TorchTensor {
  readonly storage: TorchStorage;
  /** First element, counted in elements of the storage. */
  readonly offset: number;
  readonly shape: readonly number[];
  /** Steps between neighbours along each axis, in elements. */
  readonly strides: readonly number[];

  constructor(
    storage: TorchStorage,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}
