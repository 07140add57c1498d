import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../../bin/vq4dit.js', import.meta.url));

if (!existsSync(new URL('../../dist/main.js', import.meta.url))) {
  throw new Error('These tests run the built command line; run `npm run build` first.');
}

/** What a run of the command line was, seen from outside. */
export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A run that has been started and can be watched and stopped. */
export interface Run {
  readonly child: ChildProcessWithoutNullStreams;
  readonly outcome: Promise<Outcome>;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Variables beside those of the test. */
  readonly env?: Readonly<Record<string, string>>;
  /** Another installation's `bin/vq4dit.js`. */
  readonly program?: string;
}

export function start(
  args: readonly string[],
  { cwd, env, program = PROGRAM }: RunOptions = {},
): Run {
  const child = spawn(process.execPath, [program, ...args], {
    ...(cwd && { cwd }),
    // The same backends on every machine: without a display WebGL does not start.
    env: { ...process.env, DISPLAY: '', ...env },
  });
  child.stdin.end();
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, outcome };
}

/** Runs `vq4dit` as a person does and waits for its end. */
export function vq4dit(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return start(args, options).outcome;
}

/** Runs `vq4dit`, which must succeed. */
export async function succeed(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const outcome = await vq4dit(args, options);
  expect(outcome, outcome.stderr).toMatchObject({ code: 0, signal: null });
  return outcome;
}

/** Runs a command with `--json`; its standard output must be one JSON document and nothing else. */
export async function json<T>(args: readonly string[], options: RunOptions = {}): Promise<T> {
  const { stdout } = await succeed([...args, '--json'], options);
  return JSON.parse(stdout) as T;
}

/**
 * A run that must fail: with this exit code, nothing on standard output, and on standard error one
 * sentence of the program, after which nothing comes. Notes and progress may stand before it.
 */
export async function fail(
  args: readonly string[],
  message: RegExp,
  { code = 1, notes = false, ...options }: RunOptions & { code?: number; notes?: boolean } = {},
): Promise<Outcome> {
  const outcome = await vq4dit(args, options);
  const lines = outcome.stderr.trimEnd().split('\n');
  expect(outcome.code, outcome.stderr).toBe(code);
  expect(outcome.stdout).toBe('');
  expect(outcome.stderr).not.toMatch(/^\s+at |unexpected error|\[object|undefined/m);
  expect(lines.filter((line) => line.startsWith('vq4dit: '))).toHaveLength(1);
  if (!notes) expect(lines).toHaveLength(1);
  expect(lines.at(-1)).toMatch(/^vq4dit: \S.*\.$/);
  expect(lines.at(-1)).toMatch(message);
  return outcome;
}
