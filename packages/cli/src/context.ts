import { TensorOps } from '@vq4dit/core';
import type { Command } from 'commander';
import { createRegistry } from './backends.ts';
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
  let started: Promise<TensorOps> | undefined;
  const start = async () => {
    const backend = await createRegistry().init(options.backend, {
      requireGpu: options.requireGpu ?? false,
    });
    reporter.note(`Backend: ${backend.id} (${backend.info().device})`);
    return new TensorOps(backend);
  };
  const ops = () => {
    started ??= start();
    return started;
  };
  try {
    // Asked for one device: not having it is an error at once, also where little needs a device.
    if (options.backend !== undefined || options.requireGpu) await ops();
    await body({ reporter, signal: interrupt.signal, ops });
  } finally {
    interrupt.release();
    await started?.then((ops) => ops.backend.close()).catch(() => undefined);
  }
}
