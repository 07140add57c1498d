import { type Backend, TensorOps } from '@vq4dit/core';
import type { Command } from 'commander';
import { registryWith } from './backends.ts';
import { interruptSignal } from './terminal/interrupt.ts';
import { createReporter, type Reporter } from './terminal/reporter.ts';

/** Options that every command has. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly backend?: string;
  readonly requireGpu?: boolean;
}

/** What a running command works with. */
export interface CommandContext {
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
  /** Starts the backend on first use and says on stderr which one really runs. */
  ops(): Promise<TensorOps>;
  /**
   * After the backend has failed: closes it, and lets `ops` start the next best one that can run.
   * Says so on stderr. False where none is left, or where the user has named the one to use.
   */
  replaceBackend(reason: string): Promise<boolean>;
}

/** Runs a command's body with a reporter, an interrupt signal and a backend that is closed after it. */
export async function withContext(
  command: Command,
  body: (context: CommandContext) => Promise<void>,
): Promise<void> {
  const options = command.optsWithGlobals<GlobalOptions>();
  const reporter = createReporter({ json: options.json ?? false, quiet: options.quiet ?? false });
  const interrupt = interruptSignal(() =>
    reporter.note('Stopping at the next safe point; press Ctrl-C again to stop at once.'),
  );
  const requireGpu = options.requireGpu ?? false;
  const failed = new Set<string>();
  let started: Promise<TensorOps> | undefined;
  const use = (backend: Backend) => {
    reporter.note(`Backend: ${backend.id} (${backend.info().device})`);
    return new TensorOps(backend);
  };
  const start = async () => {
    const { registry, id } = await registryWith(options.backend);
    return use(await registry.init(id, { requireGpu }));
  };
  const replaceBackend = async (reason: string) => {
    if (options.backend !== undefined || started === undefined) return false;
    const { backend } = await started;
    failed.add(backend.id);
    await backend.close().catch(() => undefined);
    started = undefined;
    const { registry } = await registryWith(undefined);
    for (const { id, priority, gpu } of registry.list()) {
      if (priority < 0 || failed.has(id)) continue;
      // One that cannot start here is no substitute; doctor says why.
      const onGpu = { requireGpu: requireGpu || gpu === 'only' };
      const next = await registry.init(id, onGpu).catch(() => undefined);
      if (next === undefined) continue;
      reporter.note(`Backend ${backend.id} failed: ${reason}`);
      started = Promise.resolve(use(next));
      return true;
    }
    return false;
  };
  const ops = () => {
    started ??= start();
    return started;
  };
  try {
    // Asked for one device: not having it is an error at once, also where little needs a device.
    if (options.backend !== undefined || options.requireGpu) await ops();
    await body({ reporter, signal: interrupt.signal, ops, replaceBackend });
  } finally {
    interrupt.release();
    await started?.then((ops) => ops.backend.close()).catch(() => undefined);
  }
}
