/**
 * The parts of the web platform that the engine uses, as far as it uses them. TypeScript's own
 * library for browsers would declare `document` and `window` in every package that imports this one.
 */
export interface WasmModule {
  readonly [Symbol.toStringTag]: string;
}

/** A linear memory; `buffer` is a new object after growth. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  /** Grows by `pages` of 64 KiB. @returns the number of pages before */
  grow(pages: number): number;
}

/** A compiled module with its imports filled in. */
export interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>;
}

/** The namespace `WebAssembly`. */
export interface WasmApi {
  validate(bytes: Uint8Array): boolean;
  compile(bytes: Uint8Array): Promise<WasmModule>;
  instantiate(module: WasmModule, imports: object): Promise<WasmInstance>;
  readonly Memory: new (options: {
    initial: number;
    maximum: number;
    shared?: boolean;
  }) => WasmMemory;
}

/** A worker of the browser. */
export interface WebWorker {
  onmessage: ((event: { data: unknown }) => void) | null;
  onerror: ((event: { message?: string; preventDefault?(): void }) => void) | null;
  postMessage(message: unknown): void;
  terminate(): void;
}

/** Names of the global object that may or may not exist. */
export interface WebGlobals {
  readonly WebAssembly?: WasmApi;
  readonly Worker?: new (url: string, options?: { name?: string }) => WebWorker;
  readonly crossOriginIsolated?: boolean;
  readonly navigator?: { readonly hardwareConcurrency?: number; readonly userAgent?: string };
}

/** The global object, seen through {@link WebGlobals}. */
export const web = globalThis as unknown as WebGlobals;

/** Node's own modules, where this is Node; no `import`, so that bundlers have nothing to resolve. */
export function nodeModule<T>(name: string): T | undefined {
  if (typeof process === 'undefined') return undefined;
  return process.getBuiltinModule?.(name) as T | undefined;
}
