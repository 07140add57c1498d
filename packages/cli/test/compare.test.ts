import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fail, json, start, succeed } from './support/cli.ts';
import { PICTURE_CONFIG, temporaryFolder, writeModel } from './support/models.ts';

const folder = await temporaryFolder();
/** Draws images of the demo's kind, so that the demo's network measures them. */
const config = { ...PICTURE_CONFIG, inputSize: 28, patchSize: 4, numClasses: 10 };
const model = await writeModel(join(folder, 'garments'), config);
const reference = join(folder, 'reference.npz');
const small = ['--steps', '2', '--samples', '12'];
await succeed([
  ...['eval', model, ...small, '--seed', '7', '--out', join(folder, 'e')],
  ...['--save-batch', reference],
]);

const budget = ['--trajectories', '1', '--calibration-steps', '2'];
const quick = [...small, ...budget, '--error-steps', '2', '--error-repeats', '1'];
const comparison = (out: string, ...more: string[]) => [
  ...['compare', model, '--out', join(folder, out), '--reference', reference, ...quick, ...more],
];

interface Row {
  readonly method: string;
  readonly bits?: number;
  readonly seeds: readonly number[];
  readonly images: number;
  readonly fid: { readonly mean: number; readonly deviation?: number };
  readonly trueBits: { readonly mean: number };
  readonly blockMse?: { readonly mean: number };
  readonly peakBytes?: { readonly mean: number };
}
interface Report {
  readonly rows: readonly Row[];
  readonly failed: readonly { readonly id: string; readonly reason: string }[];
  readonly left: number;
  readonly cells: readonly {
    readonly id: string;
    readonly headline?: { readonly result: { readonly curve: readonly { images: number }[] } };
  }[];
}
const reportOf = async (out: string): Promise<Report> =>
  JSON.parse(await readFile(join(folder, out, 'report.json'), 'utf8')) as Report;

describe('compare', () => {
  const args = comparison(
    ...['all', '--methods', 'vq,best', '--bits', '2', '--seeds', '0;2=0,1'],
    ...['--headline', 'vq', '--headline-samples', '16'],
  );

  it('goes on after it was killed, and makes one report in three forms', async () => {
    const record = join(folder, 'all/cells/garments/vq-2bit-seed0/quantize.json');
    const run = start(args);
    await waitFor(() => stat(record));
    run.child.kill('SIGKILL');
    await run.outcome;
    const before = (await stat(record)).mtimeMs;
    // The report so far is there, and says what is missing.
    expect((await reportOf('all')).left).toBeGreaterThan(0);

    const result = await json<{ rows: Row[]; failed: unknown[] }>(args);
    expect(result.failed).toEqual([]);
    expect((await stat(record)).mtimeMs).toBe(before);
    const report = await reportOf('all');
    expect(report.left).toBe(0);
    expect(report.rows.map(({ method, bits, seeds }) => [method, bits, seeds])).toEqual([
      ['original', undefined, []],
      ['vq', 2, [0, 1]],
      ['best', 2, [0, 1]],
    ]);
    for (const row of report.rows) {
      expect(row.images).toBe(12);
      expect(Number.isFinite(row.fid.mean)).toBe(true);
      if (row.method === 'original') continue;
      expect(row.peakBytes!.mean).toBeGreaterThan(2 ** 20);
      expect(row.blockMse!.mean).toBeGreaterThan(0);
      expect(row.fid.deviation).toBeGreaterThanOrEqual(0);
    }
    const headlines = report.cells.filter(({ headline }) => headline);
    expect(headlines.map(({ id }) => id)).toEqual(['garments/original', 'garments/vq-2bit-seed0']);
    expect(headlines[0]!.headline!.result.curve).toMatchObject([{ images: 16 }]);
    const markdown = await readFile(join(folder, 'all/report.md'), 'utf8');
    expect(markdown).toContain('| VQ (k-means) | 2 | 2 |');
    expect(await readdir(join(folder, 'all/images'))).toHaveLength(3);
    const html = await readFile(join(folder, 'all/report.html'), 'utf8');
    expect(html).toContain('FID against size');
    expect(html).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
  });

  it('draws the images of all cells from the noise of eval', async () => {
    const own = join(folder, 'own.png');
    const grid = ['--grid', own, '--grid-images', '10', '--reference', reference];
    await succeed(['eval', model, ...small, '--out', join(folder, 'own'), ...grid]);
    const shown = await readFile(join(folder, 'all/images/garments-original.png'));
    expect(shown.equals(await readFile(own))).toBe(true);
  });

  it('marks a cell that fails, goes on, and tries it again the next time', async () => {
    const artefact = join(folder, 'one/cells/garments/vq-2bit-seed0/artefact');
    await mkdir(artefact, { recursive: true });
    await writeFile(join(artefact, 'diary.txt'), 'somebody lives here');
    const one = comparison('one', '--methods', 'vq', '--bits', '2,3', '--seeds', '0');
    const both = [...one, '--headline-samples', '0', '--concurrency', '2'];
    const run = start(both);
    const { code, stderr, stdout } = await run.outcome;
    expect(code).toBe(1);
    expect(stdout).toContain('VQ (k-means)');
    expect(stderr).toMatch(/vq4dit: 1 of 3 cells failed, .*vq-2bit-seed0: .*diary\.txt/);
    const report = await reportOf('one');
    expect(report.failed.map(({ id }) => id)).toEqual(['garments/vq-2bit-seed0']);
    expect(report.rows.map(({ bits }) => bits)).toEqual([undefined, 3]);
    await rm(artefact, { recursive: true });
    await succeed(both);
    expect((await reportOf('one')).failed).toEqual([]);
    // A time means nothing without the machine and what else was busy on it.
    const markdown = await readFile(join(folder, 'one/report.md'), 'utf8');
    expect(markdown).toMatch(/Times: 2 cells on \d+ x .+, Node \d+\.\d+\.\d+, 2 cells at a time\./);
  });

  it('makes an artefact again that was deleted, where a step is left to do', async () => {
    const artefact = join(folder, 'one/cells/garments/vq-3bit-seed0/artefact');
    await rm(artefact, { recursive: true });
    const same = comparison('one', '--methods', 'vq', '--bits', '3', '--seeds', '0');
    await succeed([...same, '--headline-samples', '0']);
    await expect(stat(artefact)).rejects.toThrow();
    await succeed([...same, '--headline', 'vq', '--headline-samples', '16']);
    expect((await stat(artefact)).isDirectory()).toBe(true);
    const { cells } = await reportOf('one');
    expect(cells.at(-1)!.headline!.result.curve).toMatchObject([{ images: 16 }]);
  });

  it('--finished reports what is there and starts nothing', async () => {
    const more = comparison('one', '--methods', 'vq,paper', '--bits', '2,3', '--seeds', '0,1');
    await succeed([...more, '--headline-samples', '0', '--finished']);
    const report = await reportOf('one');
    expect(report.rows.map(({ method, bits, seeds }) => [method, bits, seeds])).toEqual([
      ['original', undefined, []],
      ['vq', 2, [0]],
      ['vq', 3, [0]],
    ]);
    expect(report.left).toBe(6);
    expect(report.failed).toEqual([]);
    const cells = await readdir(join(folder, 'one/cells/garments'));
    expect(cells.sort()).toEqual(['original', 'vq-2bit-seed0', 'vq-3bit-seed0']);
  });

  it('refuses what it cannot compare before it begins', async () => {
    await fail(comparison('no', '--methods', 'magic'), /no method "magic"; the methods are /);
    await fail(comparison('no', '--methods', 'vq,vq'), /A value comes twice/, { code: 2 });
    await fail(comparison('no', '--seeds', '0;2'), /After ";" comes <bits>=<seeds>/, { code: 2 });
    const artefact = join(folder, 'one/cells/garments/vq-3bit-seed0/artefact');
    await fail(['compare', artefact], /is quantized already/);
    await fail(['compare', join(folder, 'nothing')], /no such file or folder/);
  });
});

async function waitFor(ready: () => Promise<unknown>): Promise<void> {
  for (;;) {
    const there = await ready().then(
      () => true,
      () => false,
    );
    if (there) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
