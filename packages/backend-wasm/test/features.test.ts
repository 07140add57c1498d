import { ArgumentError, BackendUnavailableError } from '@vq4dit/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createWasmBackend, detectFeatures, Engine, type Features } from '../src/index.ts';
import { web } from '../src/web.ts';

const all: Features = { simd: true, relaxed: false, threads: true };

afterEach(() => vi.unstubAllEnvs());

describe('detectFeatures', () => {
  it('asks this engine, which runs Node and so has SIMD and threads', () => {
    const features = detectFeatures();
    expect(features.simd).toBe(true);
    expect(features.threads).toBe(true);
    // V8 has relaxed SIMD by default since 11.4.
    const [major, minor] = process.versions.v8.split('.').map(Number);
    const since = major! > 11 || (major === 11 && minor! >= 4);
    const flag = process.execArgv.includes('--experimental-wasm-relaxed-simd');
    expect(features.relaxed).toBe(since || flag);
  });

  it('finds nothing in an engine without WebAssembly, or one that knows no feature', () => {
    expect(detectFeatures({})).toMatchObject({ simd: false, relaxed: false });
    const WebAssembly = { ...web.WebAssembly!, validate: () => false };
    const { threads, ...rest } = detectFeatures({ WebAssembly });
    expect(rest).toEqual({ simd: false, relaxed: false });
    expect(threads).toMatchObject({ reason: expect.stringContaining('no WebAssembly threads') });
  });

  it('sees that a page is not cross-origin isolated', () => {
    const features = detectFeatures({ WebAssembly: web.WebAssembly!, crossOriginIsolated: false });
    expect(features.threads).toMatchObject({ reason: expect.stringContaining('COOP and COEP') });
    const isolated = { WebAssembly: web.WebAssembly!, crossOriginIsolated: true };
    expect(detectFeatures(isolated).threads).toBe(true);
  });
});

describe('an engine that lacks something', () => {
  it('without SIMD does not start, and says what is missing', async () => {
    const start = createWasmBackend({ features: { ...all, simd: false } });
    await expect(start).rejects.toThrow(BackendUnavailableError);
    await expect(start).rejects.toThrow(/needs WebAssembly SIMD \(simd128\)/);
  });

  it('without relaxed SIMD says so', async () => {
    const backend = await createWasmBackend({ threads: 1, features: all });
    expect(backend.info().device).toMatch(/simd128, 1 thread .*no relaxed SIMD/);
    await backend.close();
  });

  it('without threads runs on one and says why', async () => {
    const features = { ...all, threads: { reason: 'for a reason' } };
    const backend = await createWasmBackend({ threads: 4, features });
    expect(backend.engine.threads).toBe(1);
    expect(backend.info().device).toMatch(/1 thread .*one thread: for a reason/);
    await backend.close();
  });
});

describe('the number of threads', () => {
  it('is what is asked for', async () => {
    const backend = await createWasmBackend({ threads: 3 });
    expect(backend.info().device).toMatch(/, 3 threads/);
    await backend.close();
  });

  it('comes from VQ4DIT_THREADS where nobody asks', async () => {
    vi.stubEnv('VQ4DIT_THREADS', '2');
    const engine = await Engine.create();
    expect(engine.threads).toBe(2);
    await engine.close();
  });

  it('is that of the machine by default', async () => {
    vi.stubEnv('VQ4DIT_THREADS', '');
    const { availableParallelism } = await import('node:os');
    const engine = await Engine.create();
    expect(engine.threads).toBe(availableParallelism());
    await engine.close();
  });

  it('must make sense', async () => {
    for (const threads of [0, -1, 1.5, Number.NaN, 257]) {
      await expect(Engine.create({ threads })).rejects.toThrow(ArgumentError);
    }
    vi.stubEnv('VQ4DIT_THREADS', 'many');
    await expect(Engine.create()).rejects.toThrow('VQ4DIT_THREADS=many is not a number of threads');
  });
});
