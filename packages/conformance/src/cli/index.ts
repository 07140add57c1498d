import { VqError } from '@vq4dit/core';
import { CommanderError } from 'commander';
import type { Streams } from './output.ts';
import { createConformanceCommand } from './program.ts';

export type { Output, Streams } from './output.ts';
export {
  type ConformanceCommandOptions,
  ConformanceError,
  createConformanceCommand,
} from './program.ts';
export type { KnownBackends } from './start.ts';

const NAME = 'vq4dit-conformance';

/**
 * Runs the command line `vq4dit-conformance` and gives its exit code: 0 all is well, 1 cases failed
 * or a backend could not be started, 2 wrong usage, 70 a bug. Never throws.
 */
export async function main(args: readonly string[], streams?: Streams): Promise<number> {
  const note = streams?.note ?? ((text: string) => void process.stderr.write(text));
  const program = createConformanceCommand({
    name: NAME,
    program: `npx ${NAME}`,
    ...(streams && { streams }),
  });
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({
      ...(streams && { writeOut: streams.result }),
      writeErr: note,
      outputError: (text, write) => write(usageError(text)),
    });
  }
  try {
    await program.parseAsync([...args], { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const isOurs = error instanceof VqError;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    note(isOurs ? `${NAME}: ${error.message}\n` : `${NAME}: unexpected error:\n${text}\n`);
    return isOurs ? 1 : 70;
  }
}

/** One line in the form of all other errors. */
function usageError(text: string): string {
  const line = text
    .replace(/^error: /, '')
    .trim()
    .replace(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '');
  return `${NAME}: ${line}; --help says what is possible.\n`;
}
