import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { ArgumentError, type BackendProbe, type BackendRegistration } from '@vq4dit/core';
import { Command } from 'commander';
import { registryWith } from '../backends.ts';
import { type CommandContext, type GlobalOptions, withContext } from '../context.ts';
import { probeAll } from '../probe.ts';
import { formatBytes, formatTable } from '../terminal/reporter.ts';

interface DoctorOptions extends GlobalOptions {
  readonly only?: string;
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .summary('say what this machine can run, and why not')
    .description('Tries to start every backend and gives the reason where one cannot run.')
    .option('--only <backend>', 'try this one only, in this process')
    .action((_flags: unknown, command: Command) =>
      withContext(command, (context) => doctor(context, command.optsWithGlobals<DoctorOptions>())),
    );
}

async function doctor(
  { reporter, signal }: CommandContext,
  { backend, only }: DoctorOptions,
): Promise<void> {
  const { registry } = await registryWith(only ?? backend);
  const known = registry.list().map(({ id }) => id);
  if (only !== undefined && !known.includes(only)) {
    throw new ArgumentError(`No backend is called "${only}"; there are ${known.join(', ')}.`);
  }
  const backends = await (only === undefined ? probeAll(registry, signal) : registry.probe([only]));
  const usual = registry
    .list()
    .find((registration) => backends.some((probe) => isChosenUnnamed(registration, probe)));
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

/** Whether a command would take this backend where it comes first and none is named. */
function isChosenUnnamed(registration: BackendRegistration, probe: BackendProbe): boolean {
  if (probe.id !== registration.id || !probe.available || registration.priority < 0) return false;
  return registration.gpu !== 'only' || probe.info.isGpu;
}
