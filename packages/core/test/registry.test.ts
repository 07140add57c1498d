import { createReferenceBackend } from '@vq4dit/backend-reference';
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  type Backend,
  BackendRegistry,
  BackendUnavailableError,
} from '../src/index.ts';

interface Options {
  readonly priority?: number;
  readonly isGpu?: boolean;
  readonly gpu?: 'never' | 'only';
  readonly fails?: unknown;
}

/** A registry of made-up backends, and what was started and closed. */
function registryOf(backends: Readonly<Record<string, Options>>) {
  const registry = new BackendRegistry();
  const log: string[] = [];
  for (const [id, { priority = 0, isGpu = false, gpu, fails }] of Object.entries(backends)) {
    registry.register({
      id,
      description: `the ${id} backend`,
      priority,
      ...(gpu && { gpu }),
      async create(): Promise<Backend> {
        log.push(`start ${id}`);
        if (fails !== undefined) throw fails;
        const reference = createReferenceBackend();
        return {
          ...reference,
          id,
          info: () => ({ ...reference.info(), id, device: `${id} device`, isGpu }),
          close: async () => void log.push(`close ${id}`),
        };
      },
    });
  }
  return { registry, log };
}

const started = async (promise: Promise<Backend>) => (await promise).id;

describe('registry', () => {
  it('starts the available backend with the highest priority, and no other', async () => {
    const { registry, log } = registryOf({
      low: { priority: 1 },
      high: { priority: 10 },
      middle: { priority: 5 },
    });
    expect(registry.list().map((r) => r.id)).toEqual(['high', 'middle', 'low']);
    expect(await started(registry.init())).toBe('high');
    expect(log).toEqual(['start high']);
  });

  it('goes on to the next where one cannot run', async () => {
    const { registry } = registryOf({
      best: { priority: 10, fails: new Error('no driver') },
      next: { priority: 5 },
    });
    expect(await started(registry.init())).toBe('next');
  });

  it('never chooses a negative priority by itself', async () => {
    const { registry } = registryOf({ judge: { priority: -1 } });
    expect(await started(registry.init('judge'))).toBe('judge');
    await expect(registry.init()).rejects.toThrow(
      'No registered backend may be chosen without its name; registered: judge.',
    );
  });

  it('never replaces a backend that was asked for by name', async () => {
    const { registry, log } = registryOf({
      cuda: { priority: 10, fails: new Error('CUDA 11.2 is not installed') },
      wasm: { priority: 5 },
    });
    await expect(registry.init('cuda')).rejects.toThrow(BackendUnavailableError);
    await expect(registry.init('cuda')).rejects.toThrow('cuda: CUDA 11.2 is not installed');
    expect(log).toEqual(['start cuda', 'start cuda']);
  });

  it('lists every candidate with its reason when none can run', async () => {
    const { registry } = registryOf({
      cuda: { priority: 10, fails: new Error('no driver') },
      webgl: { priority: 5, fails: 'no display' },
      judge: { priority: -1 },
    });
    await expect(registry.init()).rejects.toThrow(
      'No backend could be started: cuda: no driver; webgl: no display.',
    );
  });

  it('names what is registered when an id is unknown', async () => {
    const { registry } = registryOf({ wasm: {}, cuda: { priority: 2 } });
    await expect(registry.init('cudda')).rejects.toThrow(
      'No backend is called "cudda"; registered: cuda, wasm.',
    );
    await expect(new BackendRegistry().init('wasm')).rejects.toThrow('registered: none');
  });

  it('refuses a second registration of an id', () => {
    const { registry } = registryOf({ wasm: {} });
    const again = {
      id: 'wasm',
      description: '',
      priority: 0,
      create: async () => createReferenceBackend(),
    };
    expect(() => registry.register(again)).toThrow(ArgumentError);
  });

  it('passes over what is no GPU where one is required, and closes it', async () => {
    const { registry, log } = registryOf({
      wasm: { priority: 10 },
      cuda: { priority: 5, isGpu: true },
    });
    expect(await started(registry.init(undefined, { requireGpu: true }))).toBe('cuda');
    expect(log).toEqual(['start wasm', 'close wasm', 'start cuda']);
  });

  it('fails where a GPU is required and the named backend has none', async () => {
    const { registry, log } = registryOf({ wasm: {} });
    await expect(registry.init('wasm', { requireGpu: true })).rejects.toThrow(
      'wasm: runs on wasm device, which is not a GPU',
    );
    expect(log).toEqual(['start wasm', 'close wasm']);
  });

  it('does not even start what never is a GPU where one is required', async () => {
    const { registry, log } = registryOf({ native: { gpu: 'never' } });
    await expect(registry.init('native', { requireGpu: true })).rejects.toThrow(
      'native: runs on the processor, never on a GPU',
    );
    expect(log).toEqual([]);
    expect(await started(registry.init())).toBe('native');
  });

  it('chooses what is of use on a GPU only where it runs on one, or by its name', async () => {
    const { registry, log } = registryOf({
      cuda: { priority: 5, gpu: 'only' },
      wasm: { priority: 1 },
    });
    expect(await started(registry.init())).toBe('wasm');
    expect(log).toEqual(['start cuda', 'close cuda', 'start wasm']);
    expect(await started(registry.init('cuda'))).toBe('cuda');
    const onGpu = registryOf({ cuda: { priority: 5, gpu: 'only', isGpu: true }, wasm: {} });
    expect(await started(onGpu.registry.init())).toBe('cuda');
  });

  it('probes those that are named, and starts no other', async () => {
    const { registry, log } = registryOf({ cuda: {}, wasm: {} });
    expect((await registry.probe(['wasm'])).map(({ id }) => id)).toEqual(['wasm']);
    expect(log).toEqual(['start wasm', 'close wasm']);
  });

  it('probes all, also those that are never chosen by themselves, and closes them', async () => {
    const { registry, log } = registryOf({
      cuda: { priority: 5, fails: new Error('no driver') },
      judge: { priority: -1 },
    });
    expect(await registry.probe()).toEqual([
      { id: 'cuda', available: false, reason: 'no driver' },
      { id: 'judge', available: true, info: expect.objectContaining({ device: 'judge device' }) },
    ]);
    expect(log).toEqual(['start cuda', 'start judge', 'close judge']);
  });
});
