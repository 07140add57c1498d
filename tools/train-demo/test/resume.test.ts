import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openModel } from '@vq4dit/checkpoint';
import { RandomStream } from '@vq4dit/core';
import { type DiTConfig, ditConfigToJson } from '@vq4dit/dit';
import { describe, expect, it } from 'vitest';
import { IMAGES_FILE, LABELS_FILE } from '../src/dataset.ts';
import type { LossLine } from '../src/loss-log.ts';
import { idx } from './support/idx.ts';

const PROGRAM = fileURLToPath(new URL('../train.mjs', import.meta.url));
if (!existsSync(new URL('../dist/main.js', import.meta.url))) {
  throw new Error('These tests run the built tool; run `npm run build` first.');
}

/** Small enough for a step in some ten milliseconds. */
const CONFIG: DiTConfig = {
  inputSize: 8,
  patchSize: 4,
  inChannels: 1,
  hiddenSize: 16,
  depth: 1,
  numHeads: 2,
  mlpRatio: 2,
  numClasses: 3,
  classDropoutProb: 0.1,
  learnSigma: true,
};
const STEPS = 40;

const folder = await mkdtemp(join(tmpdir(), 'train-demo-'));
const at = (...names: string[]) => join(folder, ...names);

/** 20 images of a bright column on black; the label says which one. */
async function writeData(): Promise<void> {
  const random = new RandomStream(1);
  const labels = Array.from({ length: 20 }, (_, i) => i % 3);
  const images = labels.flatMap((label) =>
    Array.from({ length: 64 }, (_, i) => (i % 8 === 2 * label ? 200 + random.integer(56) : 0)),
  );
  await mkdir(at('data'));
  await writeFile(at('data', IMAGES_FILE), idx([20, 8, 8], images));
  await writeFile(at('data', LABELS_FILE), idx([20], labels));
  await writeFile(at('config.json'), JSON.stringify(ditConfigToJson(CONFIG)));
}
await writeData();

function start(out: string, ...more: string[]) {
  const args = [
    ...['--data', at('data'), '--config', at('config.json'), '--out', at(out)],
    ...['--backend', 'reference', '--steps', String(STEPS), '--batch', '4', '--warmup', '5'],
    ...['--save-every', '10', '--sample-every', '0', ...more],
  ];
  const child = spawn(process.execPath, [PROGRAM, ...args]);
  let stderr = '';
  child.stderr.on('data', (text: string) => {
    stderr += text;
  });
  const outcome = new Promise<{ code: number | null; signal: string | null; stderr: string }>(
    (resolve) => child.on('close', (code, signal) => resolve({ code, signal, stderr })),
  );
  return { child, outcome };
}

const run = (out: string, ...more: string[]) => start(out, ...more).outcome;

async function lossOf(out: string): Promise<LossLine[]> {
  const text = await readFile(at(out, 'loss.jsonl'), 'utf8').catch(() => '');
  return text
    .split('\n')
    .slice(0, -1) // what follows the last line's end is empty or half written
    .map((line) => JSON.parse(line) as LossLine);
}

async function waitForStep(child: ChildProcess, out: string, step: number): Promise<void> {
  while (child.exitCode === null && ((await lossOf(out)).at(-1)?.step ?? 0) < step) await sleep(2);
}

const curve = async (out: string) =>
  (await lossOf(out)).map(({ milliseconds: _, ...line }) => line);

const weightsOf = (out: string) => readFile(at(out, 'model', 'dit-fashion.safetensors'));

describe('a training', () => {
  it('ends with a model that the other commands open', async () => {
    expect(await run('whole')).toMatchObject({ code: 0 });
    const model = await openModel(at('whole', 'model'));
    expect(model.config).toEqual(CONFIG);
    await model.close();
    const lines = await lossOf('whole');
    expect(lines.map(({ step }) => step)).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
    const mean = (part: LossLine[]) => part.reduce((sum, { mse }) => sum + mse, 0) / part.length;
    expect(mean(lines.slice(-8))).toBeLessThan(mean(lines.slice(0, 8)));
  });

  it('that is killed twice goes on to the same weights and the same loss curve', async () => {
    // After step 5 nothing is saved yet; after step 25 the state of step 20 is.
    for (const step of [5, 25]) {
      const { child, outcome } = start('killed');
      await waitForStep(child, 'killed', step);
      child.kill('SIGKILL');
      expect(await outcome).toMatchObject({ signal: 'SIGKILL' });
      expect(existsSync(at('killed', 'model'))).toBe(false);
    }
    // As if the last kill had come in the middle of a line.
    await writeFile(at('killed', 'loss.jsonl'), '{"step":26,"lo', { flag: 'a' });
    const outcome = await run('killed');
    expect(outcome).toMatchObject({ code: 0 });
    expect(outcome.stderr).toContain('Going on after step 20');
    expect(await weightsOf('killed')).toEqual(await weightsOf('whole'));
    expect(await curve('killed')).toEqual(await curve('whole'));
  });

  it('that is interrupted saves the step it is at and goes on from there', async () => {
    const { child, outcome } = start('interrupted');
    await waitForStep(child, 'interrupted', 13);
    child.kill('SIGINT');
    const stopped = await outcome;
    expect(stopped).toMatchObject({ code: 130 });
    expect(stopped.stderr).toMatch(/Stopped after step \d+; run the same command again/);
    const step = (await lossOf('interrupted')).at(-1)!.step;
    expect((await run('interrupted')).stderr).toContain(`Going on after step ${step}.`);
    expect(await weightsOf('interrupted')).toEqual(await weightsOf('whole'));
  });

  it('does not go on from a state with other settings, and says which', async () => {
    const before = await readFile(at('whole', 'state.safetensors'));
    const outcome = await run('whole', '--seed', '1');
    expect(outcome).toMatchObject({ code: 1 });
    expect(outcome.stderr).toContain('seed: 0, now 1');
    expect(await readFile(at('whole', 'state.safetensors'))).toEqual(before);
  });

  it('that is done exports the same model again', async () => {
    const before = await weightsOf('whole');
    expect(await run('whole', '--export')).toMatchObject({ code: 0 });
    expect(await weightsOf('whole')).toEqual(before);
    expect((await readdir(at('whole'))).sort()).toEqual([
      'loss.jsonl',
      'model',
      'samples',
      'state.safetensors',
    ]);
  });

  it('starts from a trained model, whose digest the state remembers', async () => {
    const init = at('whole', 'model');
    expect(await run('longer', '--init', init)).toMatchObject({ code: 0 });
    const { mse } = (await lossOf('longer'))[0]!;
    const { mse: untrained } = (await lossOf('whole'))[0]!;
    // The same batch and noise, so only the weights differ.
    expect(mse).toBeLessThan(untrained);
    const other = await run('longer');
    expect(other).toMatchObject({ code: 1 });
    expect(other.stderr).toMatch(/init: "[0-9a-f]{64}", now undefined/);
  });

  it('draws a sheet with a row for every class', async () => {
    const outcome = await run('sheets', '--steps', '6', '--sample-every', '4');
    expect(outcome).toMatchObject({ code: 0 });
    for (const path of [
      ['samples', 'step-000004.png'],
      ['model', 'samples.png'],
    ]) {
      const png = await readFile(at('sheets', ...path));
      // Width and height of the header: 8 columns and 3 rows of 16 + 2 pixels, and 2 more.
      expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([146, 56]);
    }
  });

  it.each([
    ['a folder without data', ['--data', tmpdir()], 1, 'neither train-images-idx3-ubyte nor'],
    ['a warm-up that is too long', ['--warmup', '40'], 1, 'warm-up'],
    ['steps that are no number', ['--steps', 'many'], 2, 'integer'],
    ['threads of a backend without', ['--threads', '2'], 1, '--threads is for the backend wasm'],
    ['a model that is not there', ['--init', at('none')], 1, at('none')],
    ['an unknown backend', ['--backend', 'none'], 1, 'No backend is called "none"'],
  ])('with %s fails in one sentence', async (_, more, code, why) => {
    const outcome = await run('refused', ...more);
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toContain(why);
    expect(outcome.stderr).not.toContain('    at ');
  });
});
