import { readFile } from 'node:fs/promises';
import { InterruptedError, VqError } from '@vq4dit/core';
import { type Command, CommanderError } from 'commander';
import { createProgram } from './program.ts';
import { INTERRUPTED } from './terminal/interrupt.ts';
import { reportUsage } from './terminal/worker-usage.ts';

/** Exit codes: 0 done, 1 the work failed, 2 wrong usage, 130 interrupted, 70 a bug of ours. */
const FAILED = 1;
const USAGE = 2;
const BUG = 70;

/** Runs one command and gives the exit code; never throws. */
export async function main(args: readonly string[]): Promise<number> {
  process.stdout.on('error', quitOnClosedPipe);
  const finished = reportUsage();
  const file = new URL('../package.json', import.meta.url);
  const { version } = JSON.parse(await readFile(file, 'utf8')) as { version: string };
  const program = createProgram(version);
  for (const command of withParts(program)) command.exitOverride();
  try {
    await program.parseAsync([...args], { from: 'user' });
    return 0;
  } catch (error) {
    return exitCode(error);
  } finally {
    finished();
  }
}

/** A command and those below it, at any depth. */
function withParts(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withParts)];
}

function exitCode(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
  if (error instanceof InterruptedError) {
    process.stderr.write(`vq4dit: ${error.message}\n`);
    return INTERRUPTED;
  }
  if (error instanceof VqError) {
    process.stderr.write(`vq4dit: ${error.message}\n`);
    return FAILED;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`vq4dit: unexpected error, please report it:\n${text}\n`);
  return BUG;
}

/** `vq4dit inspect ... | head` closes the pipe early, which is no error; a full disk is one. */
function quitOnClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0);
  process.stderr.write(`vq4dit: the result could not be written: ${error.message}.\n`);
  process.exit(FAILED);
}
