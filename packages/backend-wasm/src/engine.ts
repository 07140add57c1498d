import { ArgumentError, BackendUnavailableError, DeviceLostError } from '@vq4dit/core';
import { ARGUMENT_WORDS, CONTROL, CONTROL_BYTES, MAX_THREADS } from './control.ts';
import { detectFeatures, type Features } from './features.ts';
import { ALIGNMENT, type HeapUsage } from './heap.ts';
import { LinearMemory } from './memory.ts';
import { type Kernel, Pool } from './pool.ts';
import { nodeModule, type WasmModule, web } from './web.ts';

/** Options of the engine; every one has a default. */
export interface EngineOptions {
  /**
   * Threads, the calling one included. Default: `VQ4DIT_THREADS`, or as many as the machine runs at
   * once. Results do not depend on it.
   */
  readonly threads?: number;
  /** False: no relaxed SIMD, even where the engine has it. Default true. */
  readonly relaxed?: boolean;
  /** What the JavaScript engine can do; default: it is asked. */
  readonly features?: Features;
  /** How large the memory may become, in pages of 64 KiB. Default 65536, which is 4 GiB. */
  readonly maximumPages?: number;
  /** How long idle threads look for work before they sleep. Default 50. */
  readonly spinMicroseconds?: number;
  /** How long threads may make no progress before they count as lost. Default 30. */
  readonly stallSeconds?: number;
}

const BUILDS = {
  simd: () => import('./generated/simd.ts'),
  'simd-shared': () => import('./generated/simd-shared.ts'),
  relaxed: () => import('./generated/relaxed.ts'),
  'relaxed-shared': () => import('./generated/relaxed-shared.ts'),
};

const conversion = new DataView(new ArrayBuffer(8));

/** A float32 as an argument of {@link Engine.run}. */
export function f32(value: number): number {
  conversion.setFloat32(0, value, true);
  return conversion.getInt32(0, true);
}

/** A float64 as two arguments of {@link Engine.run}. */
export function f64(value: number): [number, number] {
  conversion.setFloat64(0, value, true);
  return [conversion.getInt32(0, true), conversion.getInt32(4, true)];
}

/** The kernels of assembly/, a memory to run them on, and threads to run them with. */
export class Engine {
  /** How many threads run, this one included. */
  readonly threads: number;
  /** Whether the kernels are the relaxed SIMD build. */
  readonly relaxed: boolean;
  /** What is not used, and why; for people. */
  readonly notes: readonly string[];
  readonly #memory: LinearMemory;
  readonly #kernels: ReadonlyMap<string, { readonly index: number; readonly call: Kernel }>;
  #args: Int32Array;
  readonly #argsAddress: number;
  readonly #pool: Pool | undefined;
  #failure: DeviceLostError | undefined;

  private constructor(parts: Parts) {
    this.threads = parts.pool ? parts.threads : 1;
    this.relaxed = parts.relaxed;
    this.notes = parts.notes;
    this.#memory = parts.memory;
    this.#kernels = new Map(
      parts.names.map((name, index) => [name, { index, call: parts.exports[name] as Kernel }]),
    );
    this.#argsAddress = parts.control + 4 * CONTROL.hostArgs;
    this.#args = new Int32Array(parts.memory.buffer, this.#argsAddress, ARGUMENT_WORDS);
    this.#pool = parts.pool;
  }

  /**
   * Compiles the kernels and starts the threads.
   *
   * @throws BackendUnavailableError if the JavaScript engine has no WebAssembly SIMD
   * @throws ArgumentError if `threads` is not an integer from 1 to 256
   */
  static async create(options: EngineOptions = {}): Promise<Engine> {
    const features = options.features ?? detectFeatures();
    if (!features.simd) {
      throw new BackendUnavailableError(
        'The wasm backend needs WebAssembly SIMD (simd128), which this JavaScript engine does not ' +
          'have; use a newer browser or Node 20.19 or later, or another backend.',
      );
    }
    const threads = threadCount(options.threads);
    const relaxed = features.relaxed && options.relaxed !== false;
    const notes: string[] = [];
    if (!features.relaxed) notes.push('no relaxed SIMD: this engine does not have it');
    else if (!relaxed) notes.push('no relaxed SIMD: switched off');
    if (threads > 1) {
      if (features.threads === true) {
        try {
          return new Engine(await start(options, relaxed, threads, notes));
        } catch (error) {
          if (error instanceof BackendUnavailableError) throw error;
          const reason = error instanceof Error ? error.message : String(error);
          notes.push(`one thread: workers do not start (${reason})`);
        }
      } else {
        notes.push(`one thread: ${features.threads.reason}`);
      }
    }
    return new Engine(await start(options, relaxed, 1, notes));
  }

  /**
   * The address of `bytes` bytes, 64-byte aligned, with undefined contents. Views made before may
   * be of no use afterwards: the memory may have grown.
   *
   * @throws OutOfDeviceMemoryError
   */
  allocate(bytes: number): number {
    if (this.#failure) throw this.#failure;
    return this.#memory.allocate(bytes);
  }

  /** Gives a block of {@link allocate} back. */
  free(address: number): void {
    this.#memory.release(address);
  }

  /** Runs `body` with a block that is given back afterwards, whatever happens. */
  withTemporary<T>(bytes: number, body: (address: number) => T): T {
    const address = this.allocate(bytes);
    try {
      return body(address);
    } finally {
      this.free(address);
    }
  }

  /** `length` floats at an address, as they are; to be used before the next {@link allocate}. */
  float32(address: number, length: number): Float32Array {
    return new Float32Array(this.#memory.buffer, address, length);
  }

  /** `length` integers at an address, as they are; to be used before the next {@link allocate}. */
  int32(address: number, length: number): Int32Array {
    return new Int32Array(this.#memory.buffer, address, length);
  }

  /** `length` doubles at an address, as they are; to be used before the next {@link allocate}. */
  float64(address: number, length: number): Float64Array {
    return new Float64Array(this.#memory.buffer, address, length);
  }

  /** `length` 16-bit integers at an address; to be used before the next {@link allocate}. */
  uint16(address: number, length: number): Uint16Array {
    return new Uint16Array(this.#memory.buffer, address, length);
  }

  /**
   * Runs chunks [0, chunks) of a kernel and returns when all are done. One chunk runs on this
   * thread; more are shared out.
   *
   * @param kernel name of a function exported by assembly/
   * @param args at most 64 words: integers, addresses, {@link f32} or {@link f64} of numbers
   * @throws DeviceLostError if the kernel or a thread fails, now or before
   */
  run(kernel: string, args: readonly number[], chunks: number): void {
    if (this.#failure) throw this.#failure;
    if (this.#pool?.failure) throw this.#lose(this.#pool.failure);
    const found = this.#kernels.get(kernel);
    if (found === undefined) throw new Error(`there is no kernel named ${kernel}`);
    if (args.length > ARGUMENT_WORDS) throw new Error(`${kernel}: more than 64 argument words`);
    // Growth takes the bytes away from views of a memory that is not shared.
    if (this.#args.length === 0) this.#args = this.int32(this.#argsAddress, ARGUMENT_WORDS);
    for (let i = 0; i < args.length; i++) this.#args[i] = args[i]!;
    if (this.#pool === undefined || chunks <= 1) {
      try {
        found.call(this.#argsAddress, 0, chunks);
      } catch (error) {
        throw this.#lose(
          new DeviceLostError(
            `The kernel ${kernel} of the wasm backend failed: ${error}; what the backend held may ` +
              'be wrong and is given up. Start it again, and report this as a bug.',
          ),
        );
      }
      return;
    }
    try {
      this.#pool.run(found.index, found.call, this.#argsAddress, chunks);
    } catch (error) {
      throw error instanceof DeviceLostError ? this.#lose(error) : error;
    }
  }

  /** @throws DeviceLostError if the engine cannot be relied on any more */
  check(): void {
    if (this.#failure) throw this.#failure;
    if (this.#pool?.failure) throw this.#lose(this.#pool.failure);
  }

  /** Blocks that are allocated. */
  get blocks(): number {
    return this.#memory.blocks;
  }

  /** What is in the heap; looks at every free block. */
  usage(): HeapUsage {
    return this.#memory.usage();
  }

  /** Bytes of the memory now; at most {@link maximumBytes}. */
  get memoryBytes(): number {
    return this.#memory.buffer.byteLength;
  }

  /** Bytes that the memory can have at most. */
  get maximumBytes(): number {
    return this.#memory.maximumBytes;
  }

  /** Bytes that all tensors together can have at most. */
  get capacity(): number {
    return this.#memory.capacity;
  }

  /** Ends the threads. Nothing runs afterwards. */
  async close(): Promise<void> {
    this.#failure ??= new DeviceLostError('The wasm backend is closed; start another one.');
    await this.#pool?.close();
  }

  /** For tests: ends one worker thread (from 1) without telling anybody. */
  async killThread(thread: number): Promise<void> {
    await this.#pool?.kill(thread);
  }

  #lose(error: DeviceLostError): DeviceLostError {
    this.#failure ??= error;
    return this.#failure;
  }
}

interface Parts {
  readonly memory: LinearMemory;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly names: readonly string[];
  readonly control: number;
  readonly threads: number;
  readonly relaxed: boolean;
  readonly notes: readonly string[];
  readonly pool: Pool | undefined;
}

async function start(
  options: EngineOptions,
  relaxed: boolean,
  threads: number,
  notes: readonly string[],
): Promise<Parts> {
  const shared = threads > 1;
  const module = await compile(`${relaxed ? 'relaxed' : 'simd'}${shared ? '-shared' : ''}`);
  const memory = LinearMemory.create(shared, options.maximumPages);
  const imports = { env: { memory: memory.memory } };
  const { exports } = await web.WebAssembly!.instantiate(module, imports);
  const call = (name: string, ...args: number[]) =>
    (exports[name] as (...args: number[]) => number)(...args);

  // First what the module itself needs, then the control block, then each thread's working memory.
  const control = Math.ceil((call('heapBase') >>> 0) / ALIGNMENT) * ALIGNMENT;
  const firstScratch = Math.ceil((control + CONTROL_BYTES) / ALIGNMENT) * ALIGNMENT;
  const scratchBytes = call('scratchBytes') >>> 0;
  const scratches = Array.from({ length: threads }, (_, i) => firstScratch + i * scratchBytes);
  memory.reserve(firstScratch + threads * scratchBytes);
  call('setThread', 0, scratches[0]!);

  const names = Object.keys(exports).filter((name) => typeof exports[name] === 'function');
  const spinMicroseconds = options.spinMicroseconds ?? 50;
  const stallSeconds = options.stallSeconds ?? 30;
  const pool = shared
    ? await Pool.start({
        module,
        memory: memory.memory,
        exports,
        kernels: names,
        control,
        scratches,
        spinMicroseconds,
        stallSeconds,
      })
    : undefined;
  const allNotes =
    memory.maximumBytes < 2 ** 32 && options.maximumPages === undefined
      ? [...notes, `at most ${memory.maximumBytes / 2 ** 20} MiB: the engine reserves no more`]
      : notes;
  return { memory, exports, names, control, threads, relaxed, notes: allNotes, pool };
}

/** Kernels that are compiled already; every engine of a process uses the same code. */
const compiled = new Map<string, Promise<WasmModule>>();

function compile(build: string): Promise<WasmModule> {
  let module = compiled.get(build);
  if (module === undefined) {
    module = BUILDS[build as keyof typeof BUILDS]().then(({ base64 }) => compileBytes(base64));
    compiled.set(build, module);
    module.catch(() => compiled.delete(build));
  }
  return module;
}

async function compileBytes(base64: string): Promise<WasmModule> {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  try {
    return await web.WebAssembly!.compile(bytes);
  } catch (error) {
    // A site can forbid WebAssembly: script-src without 'wasm-unsafe-eval'.
    throw new BackendUnavailableError(`The wasm backend cannot compile its kernels: ${error}`);
  }
}

function threadCount(asked: number | undefined): number {
  const fromEnvironment = typeof process === 'undefined' ? undefined : process.env.VQ4DIT_THREADS;
  const value = asked ?? (fromEnvironment ? Number(fromEnvironment) : undefined);
  if (value === undefined) {
    const os = nodeModule<typeof import('node:os')>('node:os');
    const available = os?.availableParallelism() ?? web.navigator?.hardwareConcurrency ?? 1;
    return Math.min(MAX_THREADS, Math.max(1, available));
  }
  if (Number.isInteger(value) && value >= 1 && value <= MAX_THREADS) return value;
  const what = asked === undefined ? `VQ4DIT_THREADS=${fromEnvironment}` : `threads: ${asked}`;
  throw new ArgumentError(`${what} is not a number of threads: give an integer from 1 to 256.`);
}
