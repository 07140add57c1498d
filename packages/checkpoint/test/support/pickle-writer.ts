import { OPCODES as OP } from '../../src/torch/opcodes.ts';

/** A piece of a pickle program. */
export type Piece = Uint8Array;

const bytes = (...values: number[]): Piece => Uint8Array.from(values);

export function join(...pieces: (Piece | Piece[])[]): Piece {
  return new Uint8Array(Buffer.concat(pieces.flat()));
}

function withUint32(opcode: number, value: number, tail: Uint8Array = bytes()): Piece {
  const head = Buffer.alloc(5);
  head[0] = opcode;
  head.writeUInt32LE(value, 1);
  return join(head, tail);
}

export const op = (name: keyof typeof OP, ...args: number[]): Piece => bytes(OP[name], ...args);
export const none = op('NONE');
export const int = (value: number): Piece => withUint32(OP.BININT, value >>> 0);

export function text(value: string): Piece {
  const utf8 = Buffer.from(value, 'utf8');
  return withUint32(OP.BINUNICODE, utf8.byteLength, utf8);
}

/** An integer of any size, in eight bytes. */
export function long(value: bigint): Piece {
  const tail = Buffer.alloc(8);
  tail.writeBigInt64LE(value);
  return join(bytes(OP.LONG1, 8), tail);
}

export function float(value: number): Piece {
  const tail = Buffer.alloc(8);
  tail.writeDoubleBE(value);
  return join(bytes(OP.BINFLOAT), tail);
}

export const global = (module: string, attribute: string): Piece =>
  join(bytes(OP.GLOBAL), Buffer.from(`${module}\n${attribute}\n`, 'utf8'));

export const tuple = (...items: Piece[]): Piece => join(op('MARK'), items, op('TUPLE'));
export const list = (...items: Piece[]): Piece =>
  join(op('EMPTY_LIST'), op('MARK'), items, op('APPENDS'));
export const dict = (...items: [Piece, Piece][]): Piece =>
  join(op('EMPTY_DICT'), op('MARK'), items.flat(), op('SETITEMS'));

export const call = (callee: Piece, ...args: Piece[]): Piece =>
  join(callee, tuple(...args), op('REDUCE'));
export const newObject = (type: Piece): Piece => join(type, op('EMPTY_TUPLE'), op('NEWOBJ'));
export const build = (object: Piece, state: Piece): Piece => join(object, state, op('BUILD'));

/** A whole pickle that holds this value. */
export const pickle = (value: Piece, protocol = 2): Piece =>
  join(op('PROTO', protocol), value, op('STOP'));

export const storage = (type: string, key: string, elements: Piece): Piece =>
  join(
    tuple(text('storage'), global('torch', `${type}Storage`), text(key), text('cpu'), elements),
    op('BINPERSID'),
  );

/** A call of `_rebuild_tensor_v2`. */
export function tensor(
  storagePiece: Piece,
  offset: number,
  shape: number[],
  strides: number[],
  ...more: Piece[]
): Piece {
  const ints = (values: number[]) => tuple(...values.map((value) => long(BigInt(value))));
  return call(
    global('torch._utils', '_rebuild_tensor_v2'),
    storagePiece,
    int(offset),
    ints(shape),
    ints(strides),
    op('NEWFALSE'),
    call(global('collections', 'OrderedDict')),
    ...more,
  );
}
