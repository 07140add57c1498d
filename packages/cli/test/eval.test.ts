import { copyFile, mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ImageMetrics, writeNpz } from '@vq4dit/evaluation';
import { encode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { fail, json, start, succeed } from './support/cli.ts';
import { PICTURE_CONFIG, temporaryFolder, writeModel } from './support/models.ts';

const folder = await temporaryFolder();
/** Draws images of the demo's kind, so that the demo's network measures them. */
const GARMENT_CONFIG = { ...PICTURE_CONFIG, inputSize: 28, patchSize: 4, numClasses: 10 };
const model = await writeModel(join(folder, 'garments'), GARMENT_CONFIG);
const sampling = ['--steps', '2', '--batch', '40'];
const out = (name: string) => join(folder, name);

interface Report extends ImageMetrics {
  readonly drawn: { readonly images: number };
  readonly features: string;
}
const evaluate = (...args: string[]) => json<Report>(['eval', ...args]);
const metricsOf = ({ images, fid, sfid, inceptionScore, precision, recall, kid }: Report) => ({
  ...{ images, fid, sfid, inceptionScore, precision, recall, kid },
});

/** Batches of another size round otherwise, some roundings of float32 (6e-8) in each feature. */
function expectClose(got: Report, expected: Report): void {
  for (const key of ['fid', 'sfid'] as const) {
    expect(Math.abs(got[key]! / expected[key]! - 1), key).toBeLessThan(1e-6);
  }
  expect(got).toMatchObject({
    ...{ images: expected.images, precision: expected.precision, recall: expected.recall },
  });
}

describe('eval', () => {
  it('takes a model folder that also holds a picture for a model', async () => {
    await mkdir(out('pictured'));
    for (const file of await readdir(model)) {
      await copyFile(join(model, file), join(out('pictured'), file));
    }
    await writeFile(
      join(out('pictured'), 'samples.png'),
      encode({ width: 2, height: 2, channels: 1, data: new Uint8Array(4) }),
    );
    const few = ['--samples', '12', '--out', out('pictured-out')];
    expect((await evaluate(out('pictured'), ...sampling, ...few)).drawn.images).toBe(12);
  });

  it('goes on where it was killed, draws only what is missing, and gives the same figures', async () => {
    const whole = await evaluate(model, ...sampling, '--samples', '120', '--out', out('whole'));
    expect(whole.drawn.images).toBe(120);
    for (const value of [whole.fid, whole.sfid, whole.kid?.mean]) expect(value).toBeGreaterThan(0);

    const args = ['eval', model, ...sampling, '--samples', '120', '--out', out('killed')];
    const run = start(args);
    const first = out('killed/features-000000.safetensors');
    await waitFor(() => stat(first));
    run.child.kill('SIGKILL');
    await run.outcome;
    const before = (await stat(first)).mtimeMs;
    const resumed = await json<Report>(args);
    expect(metricsOf(resumed)).toEqual(metricsOf(whole));
    expect(resumed.drawn.images).toBeLessThanOrEqual(80);
    expect((await stat(first)).mtimeMs).toBe(before);

    const more = await evaluate(model, ...sampling, '--samples', '130', '--out', out('whole'));
    expect(more.drawn.images).toBe(10);
    const again = ['--samples', '120', '--curve', '40,100,120', '--out', out('whole')];
    const fewer = await evaluate(model, ...sampling, ...again);
    expect(fewer.drawn.images).toBe(0);
    expect(metricsOf(fewer)).toEqual(metricsOf(whole));
    expect(fewer.curve.map(({ images }) => images)).toEqual([40, 100, 120]);
    expect(fewer.curve[2]!.fid).toBe(whole.fid);
  });

  it('measures files as it measures the model that drew them', async () => {
    const batch = out('batch.npz');
    const args = [...sampling, '--samples', '60', '--out', out('saved'), '--save-batch', batch];
    const drawn = await evaluate(model, ...args, '--grid', out('grid.png'));
    expect((await readFile(out('grid.png'))).subarray(1, 4).toString()).toBe('PNG');
    const read = await evaluate(batch, '--out', out('read'));
    expectClose(read, drawn);

    const itself = await evaluate(batch, '--reference', batch, '--out', out('itself'));
    // The statistics are those of the file, from the same sums: only the roots round.
    expect(Math.abs(itself.fid!)).toBeLessThan(1e-3);
    expect(itself).toMatchObject({ precision: 1, recall: 1 });

    const pictures = [
      '--images',
      out('png'),
      '--scale',
      '1',
      '--labels',
      '0,1,2',
      '--per-label',
      '3',
    ];
    await succeed(['sample', model, '--steps', '2', ...pictures]);
    const folderReport = await evaluate(out('png'), '--out', out('png-features'));
    expect(folderReport.images).toBe(9);
    const against = await evaluate(batch, '--reference', out('png'), '--out', out('against'));
    expect(against.fid).toBeGreaterThan(0);
  });

  it('reads weights of Inception-v3 and compares with statistics alone', async () => {
    const network = fileURLToPath(
      new URL('../../evaluation/test/goldens/inception-narrow.safetensors', import.meta.url),
    );
    const colour = await writeModel(join(folder, 'colour'), { ...PICTURE_CONFIG, inChannels: 3 });
    const common = ['--network', network, '--steps', '1', '--samples', '3', '--batch', '3'];
    const batch = out('colour.npz');
    const first = ['--out', out('colour-features'), '--save-batch', batch];
    const report = await evaluate(colour, ...common, ...first);
    expect(report.fid).toBeUndefined();
    const other = ['--seed', '1', '--reference', batch, '--out', out('other')];
    await fail(['eval', colour, ...common, ...other], /more than 3 images on each side, got 3/, {
      notes: true,
    });
    await fail(['eval', colour, '--steps', '1'], /8x8x3 need a feature network/);
  });

  it('refuses what it cannot measure, in one sentence', async () => {
    const good = out('small.npz');
    const small = ['--samples', '4', '--out', out('small'), '--save-batch', good];
    await evaluate(model, ...sampling, ...small);
    const broken = out('broken.npz');
    await copyFile(good, broken);
    await truncate(broken, (await stat(broken)).size - 100);
    await fail(['eval', broken], /broken\.npz: this is not a readable NumPy archive/);
    await fail(['eval', good, '--samples', '5'], /there are 4 images, not 5/);
    await fail(['eval', good, '--curve', '5'], /--curve 5: only 4 images are evaluated/);
    await fail(['eval', model, '--samples', '1'], /at least 2/, { code: 2 });
    const foreign = await otherReference();
    await fail(['eval', good, '--reference', foreign, '--out', out('x')], /has 24 features, but/, {
      notes: true,
    });
    await fail(
      ['eval', model, ...sampling, '--seed', '9', '--out', out('small')],
      /holds features of other images/,
      { notes: true },
    );
    await mkdir(out('mixed'));
    const png = (side: number) =>
      encode({ width: side, height: side, channels: 1, data: new Uint8Array(side * side) });
    await writeFile(out('mixed/a.png'), png(28));
    await writeFile(out('mixed/b.png'), png(27));
    await fail(['eval', out('mixed'), '--out', out('y')], /27x27x1, but a\.png is 28x28x1/, {
      notes: true,
    });
    await writeFile(out('mixed/b.png'), 'no picture');
    await fail(['eval', out('mixed'), '--out', out('z')], /b\.png: this is not a readable PNG/, {
      notes: true,
    });
    expect((await readdir(folder)).filter((name) => name.includes('.tmp-'))).toEqual([]);
  });
});

/** The statistics of a network with 24 features. */
async function otherReference(): Promise<string> {
  const path = out('other.npz');
  const zeros = (count: number) => [new Uint8Array(8 * count)];
  await writeNpz(path, [
    { name: 'mu', dtype: 'float64', shape: [24], data: () => zeros(24) },
    { name: 'sigma', dtype: 'float64', shape: [24, 24], data: () => zeros(24 ** 2) },
  ]);
  return path;
}

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
