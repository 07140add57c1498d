import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { Command } from 'commander';
import { registryWith } from '../backends.ts';
import { type CommandContext, type GlobalOptions, withContext } from '../context.ts';
import { formatBytes, formatTable } from '../terminal/reporter.ts';

export function doctorCommand(): Command {
  return new Command('doctor')
    .summary('say what this machine can run, and why not')
    .description('Tries to start every backend and gives the reason where one cannot run.')
    .action((_flags: unknown, command: Command) =>
      withContext(command, (context) =>
        doctor(context, command.optsWithGlobals<GlobalOptions>().backend),
      ),
    );
}

async function doctor({ reporter }: CommandContext, named?: string): Promise<void> {
  const { registry } = await registryWith(named);
  const backends = await registry.probe();
  const usual = registry
    .list()
    .find(({ id, priority }) => priority >= 0 && backends.some((b) => b.id === id && b.available));
  const report = {
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    freeBytes: freemem(),
    defaultBackend: usual?.id,
    backends,
  };
  reporter.result(report, () =>
    [
      `Node ${report.node} on ${report.platform}; ${report.cores} x ${report.cpu}; ${formatBytes(report.memoryBytes)} memory, ${formatBytes(report.freeBytes)} free`,
      formatTable(
        ['backend', 'state', 'device or reason'],
        backends.map((probe) => [
          probe.id === usual?.id ? `${probe.id} (default)` : probe.id,
          probe.available ? 'ready' : 'not available',
          probe.available ? `${probe.info.device}${probe.info.isGpu ? ', GPU' : ''}` : probe.reason,
        ]),
      ),
    ].join('\n'),
  );
}
