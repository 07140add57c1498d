import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { fail, type Outcome, start, succeed } from './support/cli.ts';
import { PICTURE_CONFIG, sameFolders, temporaryFolder, writeModel } from './support/models.ts';

const folder = await temporaryFolder();
const at = (name: string) => join(folder, name);
/** Wide enough that every stage takes its time: about half a second of k-means. */
const model = await writeModel(at('model'), { ...PICTURE_CONFIG, hiddenSize: 96, depth: 2 });
const CALIBRATE = ['--trajectories', '4', '--steps', '3', '--batch', '2'];

/** Starts a command, sends the signal as soon as the condition holds, and waits for the end. */
async function stop(
  args: readonly string[],
  signal: NodeJS.Signals,
  condition: (stderr: string) => Promise<boolean>,
): Promise<Outcome> {
  const run = start(args);
  let stderr = '';
  run.child.stderr.on('data', (text: string) => {
    stderr += text;
  });
  while (run.child.exitCode === null && !(await condition(stderr))) await sleep(2);
  run.child.kill(signal);
  return run.outcome;
}

/** The finished layers of a work folder, with the time at which each was written. */
async function finishedLayers(work: string): Promise<Map<string, number>> {
  const names = await readdir(work).catch(() => []);
  const layers = names.filter((name) => /^layer-.*\.safetensors$/.test(name)).sort();
  const times = await Promise.all(
    layers.map(async (name) => (await stat(join(work, name))).mtimeMs),
  );
  return new Map(layers.map((name, i) => [name, times[i]!]));
}

/** Changes whenever a trajectory is finished; 0 before the first. */
const calibrationState = (work: string) =>
  stat(join(work, 'calibration.safetensors')).then(
    ({ ino }) => ino,
    () => 0,
  );

describe('a run that is stopped', () => {
  const out = at('stopped/out');
  const work = `${out}.work`;
  const job = ['quantize', model, out, ...CALIBRATE];

  it('by SIGKILL in k-means keeps the finished layers and nothing else', async () => {
    const enough = async () => (await finishedLayers(work)).size >= 2;
    expect(await stop(job, 'SIGKILL', enough)).toMatchObject({ signal: 'SIGKILL' });
    const { size } = await finishedLayers(work);
    expect(size).toBeGreaterThanOrEqual(2);
    expect(size).toBeLessThan(10);
    expect(await readdir(at('stopped'))).toEqual(['out.work']);
  });

  it('by Ctrl-C in k-means says how to go on, and repeats no finished layer', async () => {
    const before = await finishedLayers(work);
    const more = async () => (await finishedLayers(work)).size > before.size;
    const { code, stdout, stderr } = await stop(job, 'SIGINT', more);
    expect(code).toBe(130);
    expect(stdout).toBe('');
    expect(stderr.trimEnd().split('\n').slice(-2)).toEqual([
      'Stopping at the next safe point; press Ctrl-C again to stop at once.',
      `vq4dit: Stopped; run the same command again to go on with what is finished, which is in ${work}.`,
    ]);
    const after = await finishedLayers(work);
    expect(after.size).toBeLessThan(10);
    for (const [name, time] of before) expect(after.get(name)).toBe(time);
    expect(await readdir(at('stopped'))).toEqual(['out.work']);
  });

  it('leaves work that another job does not touch', async () => {
    const other = /out\.work holds the unfinished work of another job .*remove the folder\.$/;
    await fail([...job, '--seed', '1'], other, { notes: true });
    expect((await finishedLayers(work)).size).toBeGreaterThan(0);
  });

  it('by SIGKILL in the calibration keeps its last trajectory', async () => {
    const begun = async () => (await calibrationState(work)) > 0;
    expect(await stop(job, 'SIGKILL', begun)).toMatchObject({ signal: 'SIGKILL' });
    expect((await finishedLayers(work)).size).toBe(10);
    expect(await readdir(at('stopped'))).toEqual(['out.work']);
  });

  it('goes on with the calibration on another backend, and says that the bytes are of both', async () => {
    const elsewhere = at('elsewhere');
    await cp(work, `${elsewhere}.work`, { recursive: true });
    const { stderr } = await succeed([
      ...['quantize', model, elsewhere, ...CALIBRATE, '--backend', 'tfjs-cpu'],
    ]);
    expect(stderr).toMatch(
      /goes on, on tfjs-cpu, after [1-3] finished trajectories that wasm computed; no single backend gives the same bytes\./,
    );
    expect(stderr).toContain('Calibration 12/12');
    expect(stderr).not.toContain('K-means 1/');
    const tensors = await readFile(join(elsewhere, 'model.safetensors'));
    expect(tensors.includes('"calibration_backends":"wasm tfjs-cpu"')).toBe(true);
  });

  it('by Ctrl-C in the calibration goes on from there', async () => {
    const before = await calibrationState(work);
    const more = async () => (await calibrationState(work)) !== before;
    const { code, stderr } = await stop(job, 'SIGINT', more);
    expect(code).toBe(130);
    expect(stderr).toContain('vq4dit: Stopped; run the same command again');
    expect(await readdir(at('stopped'))).toEqual(['out.work']);
  });

  it('gives the same bytes in the end as one that was never stopped', async () => {
    const [resumed] = await Promise.all([
      succeed(job),
      succeed(['quantize', model, at('whole'), ...CALIBRATE]),
    ]);
    expect(resumed.stderr).toContain('Calibration 12/12');
    expect(await readdir(at('stopped'))).toEqual(['out']);
    expect(await sameFolders(out, at('whole'))).toBe(true);
  });

  it('by SIGTERM while it samples leaves no picture', async () => {
    await mkdir(at('pictures'));
    const args = ['sample', model, '--out', at('pictures/a.png'), '--steps', '1000'];
    const sampling = async (stderr: string) => stderr.includes('Backend:');
    const { code, stderr } = await stop(args, 'SIGTERM', sampling);
    expect(code).toBe(130);
    expect(stderr).toMatch(/\nvq4dit: \S.*\.\n$/);
    expect(await readdir(at('pictures'))).toEqual([]);
  });

  it('before anything is finished leaves nothing', async () => {
    const args = ['quantize', model, at('early/out'), '--method', 'vq'];
    const opened = async () => existsSync(at('early/out.work/job.json'));
    const { code } = await stop(args, 'SIGINT', opened);
    expect(code).toBe(130);
    const left = await finishedLayers(at('early/out.work'));
    expect(await readdir(at('early'))).toEqual(left.size > 0 ? ['out.work'] : []);
  });
});

describe('a run of the best recipe', () => {
  const args = (name: string) => [
    ...['quantize', model, at(`best/${name}`), '--recipe', 'best', ...CALIBRATE],
  ];

  it('goes on after it was killed in the refinement and in the calibration, to the same bytes', async () => {
    const { stderr } = await succeed(args('whole'));
    expect(stderr).toContain('Refinement 10/10');
    expect(stderr).toContain('hard 10/10');
    const work = at('best/killed.work');
    const refined = async () =>
      (await readdir(work).catch(() => [])).filter((name) => name.startsWith('refined-')).length;
    await stop(args('killed'), 'SIGKILL', async () => (await refined()) >= 2);
    expect(await refined()).toBeGreaterThanOrEqual(2);
    await stop(args('killed'), 'SIGKILL', async () => (await calibrationState(work)) !== 0);
    expect(await calibrationState(work)).not.toBe(0);
    await succeed(args('killed'));
    expect(await sameFolders(at('best/whole'), at('best/killed'))).toBe(true);
    expect(existsSync(work)).toBe(false);
  });

  it('loses less of the blocks than assignments alone by output error, at the same bits', async () => {
    await succeed([
      ...['quantize', model, at('best/usual'), '--recipe', 'output-error', ...CALIBRATE],
    ]);
    const verify = async (name: string) => {
      const measured = ['--blocks', '--steps', '3', '--repeats', '1', '--json'];
      const { stdout } = await succeed(['verify', model, at(`best/${name}`), ...measured]);
      return JSON.parse(stdout) as { bitsPerWeight: number; errors: { block: number } };
    };
    const [best, usual] = [await verify('whole'), await verify('usual')];
    expect(best.bitsPerWeight).toBe(usual.bitsPerWeight);
    expect(best.errors.block).toBeLessThan(usual.errors.block);
  });
});
