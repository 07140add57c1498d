import { BackendUnavailableError, OutOfDeviceMemoryError } from '@vq4dit/core';
import { ALIGNMENT, Heap, type HeapUsage } from './heap.ts';
import { type WasmMemory, web } from './web.ts';

/** Bytes of one page, the unit in which WebAssembly memory grows. */
const PAGE = 65536;

/** Pages that 32-bit addresses reach: 4 GiB. */
const MAXIMUM_PAGES = 65536;

/** Memory grows by at least this, so that it grows rarely; it is not touched until it is used. */
const STEP_BYTES = 32 * 2 ** 20;

/** One linear memory and what is in it: a fixed part at its beginning, then the heap. */
export class LinearMemory {
  readonly memory: WasmMemory;
  /** How large it can become. */
  readonly maximumBytes: number;
  #heap: Heap | undefined;
  #reserved = 0;
  #buffer: ArrayBuffer | SharedArrayBuffer;

  private constructor(memory: WasmMemory, maximumPages: number) {
    this.memory = memory;
    this.maximumBytes = maximumPages * PAGE;
    this.#buffer = memory.buffer;
  }

  /**
   * Reserves addresses for the largest memory that the engine is ready to reserve, of at most
   * `maximumPages`. @throws BackendUnavailableError if it reserves none
   */
  static create(shared: boolean, maximumPages = MAXIMUM_PAGES): LinearMemory {
    const Memory = web.WebAssembly!.Memory;
    let cause: unknown;
    for (let maximum = maximumPages; maximum >= 1024; maximum /= 2) {
      try {
        return new LinearMemory(new Memory({ initial: 16, maximum, shared }), maximum);
      } catch (error) {
        cause = error;
      }
    }
    throw new BackendUnavailableError(
      `The wasm backend cannot reserve memory, not even 64 MiB: ${cause}. ` +
        'Close other programs or raise the limit on address space (ulimit -v).',
    );
  }

  /**
   * Sets `bytes` at the beginning aside; what is left is the heap. Called once.
   *
   * @throws BackendUnavailableError if the memory cannot become that large
   */
  reserve(bytes: number): void {
    this.#reserved = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    const missing = this.#reserved - this.#buffer.byteLength;
    if (missing > 0 && !this.#grow(missing)) {
      throw new BackendUnavailableError(
        `The wasm backend needs ${text(bytes)} for its threads, but its memory can have only ` +
          `${text(this.maximumBytes)}; use fewer threads.`,
      );
    }
    this.#heap = new Heap(this.#reserved, (needed) => this.#extend(needed));
  }

  /** @throws OutOfDeviceMemoryError */
  allocate(bytes: number): number {
    const address = this.#heap!.allocate(bytes);
    if (address === undefined) throw this.#full(bytes);
    return address;
  }

  release(address: number): void {
    this.#heap!.release(address);
  }

  /** What is in the heap. */
  usage(): HeapUsage {
    return this.#heap!.usage();
  }

  /** The memory as it is now; a new object whenever it has grown. */
  get buffer(): ArrayBuffer | SharedArrayBuffer {
    return this.#buffer;
  }

  /** Bytes that one tensor can have at most. */
  get capacity(): number {
    return this.maximumBytes - this.#reserved;
  }

  /** Blocks handed out. */
  get blocks(): number {
    return this.#heap!.blocks;
  }

  /** Makes room behind the heap. @returns bytes, or 0 if there are fewer than `needed` */
  #extend(needed: number): number {
    const { end } = this.#heap!;
    const missing = end + needed - this.#buffer.byteLength;
    if (missing > 0) {
      // By an eighth at least: then the number of times that it grows is small, whatever the size.
      const left = this.maximumBytes - this.#buffer.byteLength;
      const more = Math.min(left, Math.max(missing, STEP_BYTES, this.#buffer.byteLength / 8));
      if (missing > left || (!this.#grow(more) && !this.#grow(missing))) return 0;
    }
    return this.#buffer.byteLength - end;
  }

  #grow(bytes: number): boolean {
    try {
      this.memory.grow(Math.ceil(bytes / PAGE));
    } catch {
      return false;
    }
    this.#buffer = this.memory.buffer;
    return true;
  }

  #full(needed: number): OutOfDeviceMemoryError {
    const { used, blocks, largestFree, tail } = this.usage();
    const atEnd = this.maximumBytes - this.#buffer.byteLength + tail;
    return new OutOfDeviceMemoryError(
      `The wasm backend has no room for ${text(needed)}: ${text(used)} are in use by ${blocks} tensors, ` +
        `and of at most ${text(this.maximumBytes)} the largest free stretch has ` +
        `${text(Math.max(largestFree, atEnd))}. Use fewer images at a time, or dispose of tensors ` +
        'that are no longer needed.',
    );
  }
}

function text(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < 3; unit++) value /= 1024;
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
