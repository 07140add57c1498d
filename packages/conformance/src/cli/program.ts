import { ArgumentError, VqError } from '@vq4dit/core';
import { Command as Commander, InvalidArgumentError, Option } from 'commander';
import { FLOOR } from '../floor.ts';
import { CASES } from '../table.ts';
import type { Command, CommandOptions } from './command.ts';
import { createWriter, OUTPUTS, type Output, type Streams } from './output.ts';
import { runPerf } from './run-perf.ts';
import { runSupport } from './run-support.ts';
import { runTest } from './run-test.ts';
import { selectCases, splitId } from './select.ts';
import { type KnownBackends, startBackend } from './start.ts';

/** Cases failed; the message says how many. Only its exit code matters to a program. */
export class ConformanceError extends VqError {
  override readonly name = 'ConformanceError';
}

/** Where a conformance command is put. */
export interface ConformanceCommandOptions {
  /** The command's name. */
  readonly name: string;
  /** What a user types to start it, for replay lines. */
  readonly program: string;
  /** Backends that `-b` may name by their id; without, it names modules only. */
  readonly known?: KnownBackends;
  /** Default: standard output and standard error. */
  readonly streams?: Streams;
}

interface Flags extends Partial<CommandOptions> {
  readonly backend?: string | readonly string[];
  readonly requireGpu?: boolean;
  readonly output?: Output;
  /** An option of the program that this command may be a part of. */
  readonly json?: boolean;
}

const STANDARD: Streams = {
  result: (text) => void process.stdout.write(text),
  note: (text) => void process.stderr.write(text),
};

/** `test`, `perf`, `support` and `list` as one command with four parts. */
export function createConformanceCommand(options: ConformanceCommandOptions): Commander {
  const root = new Commander(options.name)
    .summary('hold a backend against the table of cases, time it, say what it supports')
    .description(
      'Holds a backend against the contract: runs the table of cases, times operations at the ' +
        'sizes of DiT-XL/2, and says which operations it has kernels for.',
    );
  const backend = options.known
    ? 'an id that doctor lists, or a module: ./my-backend.js#createMyBackend, my-package'
    : 'a module that has a backend: ./my-backend.js#createMyBackend, my-package#create';
  const part = (name: string, description: string) =>
    root
      .command(name)
      .description(description)
      .option('-o, --op <name...>', 'only these operations: kernels or their variants')
      .option('-p, --params <regex>', 'only cases whose parameters match', regularExpression)
      .addOption(
        new Option('--output <form>', 'form of the result').choices(OUTPUTS).default('console'),
      );
  const onBackend = (name: string, description: string, run: Command) =>
    part(name, description)
      .option('-b, --backend <backend...>', backend)
      .option('--require-gpu', 'fail where the backend would run on a CPU')
      .option('--flushes-denormals', 'the device turns denormal numbers into zero')
      .option('--seed <integer>', 'of all random data (default: 0)', seed)
      .action((_: unknown, command: Commander) => runOn(command, run, options));
  onBackend('test', 'Run the cases; each failure comes with a command that repeats it.', runTest)
    .option('--path <path>', 'path of one failed property, as printed with it')
    .option('--runs <count>', 'computations per property (default: 20)', positive);
  onBackend('perf', 'Time operations that are right on the device.', runPerf).option(
    '--min-time <milliseconds>',
    'of the timed runs of one operation (default: 500)',
    positive,
  );
  onBackend('support', 'Say which operations it has kernels for, at real sizes.', runSupport);
  part('list', 'List the cases.').action((_: unknown, command: Commander) => {
    const flags = command.optsWithGlobals<Flags>();
    const writer = createWriter(outputOf(flags), options.streams ?? STANDARD);
    for (const { id } of selectCases(CASES, flags)) {
      const { name: op, params } = splitId(id);
      const status = FLOOR.includes(id) ? 'required' : 'optional';
      writer.row({ mode: 'list', op, params, status }, `${status}  ${id}`);
    }
    writer.end();
  });
  return root;
}

async function runOn(
  command: Commander,
  run: Command,
  { known, program, streams = STANDARD }: ConformanceCommandOptions,
): Promise<void> {
  const flags = command.optsWithGlobals<Flags>();
  const names = [flags.backend ?? []].flat();
  if (names.length === 0) {
    throw new ArgumentError(
      `No backend is named; give one with -b, as in "${program} ${command.name()} -b ./my-backend.js#createMyBackend".`,
    );
  }
  if (flags.path !== undefined && (flags.op === undefined || flags.params === undefined)) {
    throw new ArgumentError('--path repeats one case; name it with -o and -p.');
  }
  const writer = createWriter(outputOf(flags), streams);
  const total = { failed: 0, ran: 0 };
  for (const name of names) {
    const started = await startBackend(name, known, flags.requireGpu ?? false);
    try {
      const { failed, ran } = await run(
        started,
        name,
        { ...flags, seed: flags.seed ?? 0 },
        { writer, program },
      );
      total.failed += failed;
      total.ran += ran;
    } finally {
      await started.backend.close();
    }
  }
  writer.end();
  if (total.failed > 0) {
    throw new ConformanceError(
      `${total.failed} of ${total.ran} cases failed; they are listed above.`,
    );
  }
}

const outputOf = ({ output = 'console', json }: Flags): Output =>
  json && output === 'console' ? 'json' : output;

function regularExpression(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

function seed(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value < 2 ** 32) return value;
  throw new InvalidArgumentError('It must be an integer from 0 to 4294967295.');
}

function positive(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1) return value;
  throw new InvalidArgumentError('It must be an integer of at least 1.');
}
