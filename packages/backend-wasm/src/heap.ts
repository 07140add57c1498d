/** Every block starts and ends on a multiple of this: a cache line, and enough for any load. */
export const ALIGNMENT = 64;

/** Each power of two of sizes is cut into this many lists. */
const SPLITS = 16;
/** Units are {@link ALIGNMENT} bytes: 4 GiB are 2^26 of them. */
const POWERS = 27;
/** Blocks of a list that may be too small that are looked at before larger lists are. */
const PEEK = 8;

/** A stretch of memory, in units; neighbours in memory and in its free list. */
interface Block {
  start: number;
  size: number;
  free: boolean;
  previous: Block | undefined;
  next: Block | undefined;
  previousFree: Block | undefined;
  nextFree: Block | undefined;
}

/** What `Heap.usage` tells; bytes. */
export interface HeapUsage {
  /** Blocks handed out. */
  readonly blocks: number;
  /** Bytes handed out, rounded up to the alignment. */
  readonly used: number;
  /** Bytes managed, free ones included. */
  readonly size: number;
  /** The largest free block. */
  readonly largestFree: number;
  /** The free block at the end, which grows when the heap does; 0 if the last block is taken. */
  readonly tail: number;
}

/**
 * Hands out stretches of a growing range of addresses. Two-level segregated fit (Masmano et al.,
 * "TLSF: a new dynamic memory allocator for real-time systems", 2004): free blocks are kept in lists
 * by size, neighbours are joined at once, and both directions take constant time. The book-keeping
 * is outside the memory that it manages, so a kernel that writes too far cannot break it.
 */
export class Heap {
  readonly #begin: number;
  readonly #grow: (bytes: number) => number;
  readonly #taken = new Map<number, Block>();
  readonly #lists: (Block | undefined)[] = new Array(POWERS * SPLITS).fill(undefined);
  /** Bit p: some list of power p has a block. */
  #powers = 0;
  /** Bit s of entry p: list s of power p has a block. */
  readonly #splits = new Int32Array(POWERS);
  #last: Block | undefined;
  #end: number;
  #used = 0;

  /**
   * @param begin first address; a multiple of {@link ALIGNMENT}
   * @param grow makes at least that many more bytes usable behind the last; returns how many it
   *   made, a multiple of the alignment, or 0 if it cannot
   */
  constructor(begin: number, grow: (bytes: number) => number) {
    this.#begin = begin / ALIGNMENT;
    this.#end = this.#begin;
    this.#grow = grow;
  }

  /** The address of `bytes` bytes, aligned; undefined if there is no room. */
  allocate(bytes: number): number | undefined {
    const size = Math.max(1, Math.ceil(bytes / ALIGNMENT));
    const block = this.#find(size) ?? this.#extend(size);
    if (block === undefined) return undefined;
    this.#unlink(block);
    this.#splitOff(block, size);
    this.#used += block.size;
    this.#taken.set(block.start, block);
    return block.start * ALIGNMENT;
  }

  /** Takes a block back. @throws Error if `address` is not a block that is handed out */
  release(address: number): void {
    const start = address / ALIGNMENT;
    const block = this.#taken.get(start);
    if (block === undefined) throw new Error(`no block is handed out at address ${address}`);
    this.#taken.delete(start);
    this.#used -= block.size;
    const { previous, next } = block;
    if (next?.free) {
      this.#unlink(next);
      this.#join(block, next);
    }
    if (previous?.free) {
      this.#unlink(previous);
      this.#join(previous, block);
      this.#link(previous);
    } else {
      this.#link(block);
    }
  }

  /** How full it is; looks at every free block. */
  usage(): HeapUsage {
    let largest = 0;
    for (let block of this.#lists) {
      for (; block !== undefined; block = block.nextFree) largest = Math.max(largest, block.size);
    }
    return {
      blocks: this.blocks,
      used: this.#used * ALIGNMENT,
      size: (this.#end - this.#begin) * ALIGNMENT,
      largestFree: largest * ALIGNMENT,
      tail: this.#last?.free ? this.#last.size * ALIGNMENT : 0,
    };
  }

  /** Blocks handed out. */
  get blocks(): number {
    return this.#taken.size;
  }

  /** The address after the last one. */
  get end(): number {
    return this.#end * ALIGNMENT;
  }

  /** A free block of at least `size` units, still in its list. */
  #find(size: number): Block | undefined {
    // Blocks in the list of this very size may be smaller or larger than asked.
    let candidate = this.#lists[listOf(size)];
    for (let i = 0; candidate !== undefined && i < PEEK; i++, candidate = candidate.nextFree) {
      if (candidate.size >= size) return candidate;
    }
    // Every block of any later list is large enough.
    const list = listOf(size) + 1;
    const power = Math.floor(list / SPLITS);
    if (power >= POWERS) return undefined;
    const splits = this.#splits[power]! & (-1 << (list % SPLITS));
    if (splits !== 0) return this.#lists[power * SPLITS + lowestBit(splits)];
    const powers = power + 1 < 32 ? this.#powers & (-1 << (power + 1)) : 0;
    if (powers === 0) return undefined;
    const next = lowestBit(powers);
    return this.#lists[next * SPLITS + lowestBit(this.#splits[next]!)];
  }

  /** Makes a free block of at least `size` units at the end. */
  #extend(size: number): Block | undefined {
    const tail = this.#last?.free ? this.#last : undefined;
    const added = this.#grow((size - (tail?.size ?? 0)) * ALIGNMENT) / ALIGNMENT;
    if (added === 0) return undefined;
    const block = makeBlock(this.#end, added, this.#last);
    if (this.#last) this.#last.next = block;
    this.#last = block;
    this.#end += added;
    if (tail) {
      this.#unlink(tail);
      this.#join(tail, block);
    }
    const grown = tail ?? block;
    this.#link(grown);
    return grown;
  }

  /** Cuts what is beyond `size` units off a block that is in no list. */
  #splitOff(block: Block, size: number): void {
    if (block.size === size) return;
    const rest = makeBlock(block.start + size, block.size - size, block);
    rest.next = block.next;
    if (rest.next) rest.next.previous = rest;
    else this.#last = rest;
    block.next = rest;
    block.size = size;
    this.#link(rest);
  }

  /** Makes one of two neighbours that are in no list. */
  #join(left: Block, right: Block): void {
    left.size += right.size;
    left.next = right.next;
    if (right.next) right.next.previous = left;
    else this.#last = left;
  }

  #link(block: Block): void {
    const list = listOf(block.size);
    const head = this.#lists[list];
    block.free = true;
    block.previousFree = undefined;
    block.nextFree = head;
    if (head) head.previousFree = block;
    this.#lists[list] = block;
    const power = Math.floor(list / SPLITS);
    this.#powers |= 1 << power;
    this.#splits[power]! |= 1 << (list % SPLITS);
  }

  #unlink(block: Block): void {
    const list = listOf(block.size);
    block.free = false;
    if (block.nextFree) block.nextFree.previousFree = block.previousFree;
    if (block.previousFree) block.previousFree.nextFree = block.nextFree;
    else this.#lists[list] = block.nextFree;
    if (this.#lists[list] !== undefined) return;
    const power = Math.floor(list / SPLITS);
    this.#splits[power]! &= ~(1 << (list % SPLITS));
    if (this.#splits[power] === 0) this.#powers &= ~(1 << power);
  }
}

function makeBlock(start: number, size: number, previous: Block | undefined): Block {
  const free = false;
  return {
    start,
    size,
    free,
    previous,
    next: undefined,
    previousFree: undefined,
    nextFree: undefined,
  };
}

/** The list that a free block of `size` units belongs in; lists are in order of size. */
function listOf(size: number): number {
  const power = 31 - Math.clz32(size);
  // Powers below 2^4 have fewer sizes than lists; each size then has its own.
  const split = power >= 4 ? (size >>> (power - 4)) - SPLITS : size - 2 ** power;
  return power * SPLITS + split;
}

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
