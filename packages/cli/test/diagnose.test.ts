import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fail, json, succeed } from './support/cli.ts';
import { temporaryFolder, writeModel } from './support/models.ts';

const folder = await temporaryFolder();
const model = await writeModel(join(folder, 'model'));
const out = join(folder, 'why');

interface Diagnosis {
  readonly findings: readonly {
    readonly title: string;
    readonly shared: number;
    readonly all: number;
    readonly opposed: number;
    readonly ranks?: readonly number[];
    readonly layers: readonly { readonly name: string; readonly pairs: number }[];
  }[];
}

describe('diagnose', () => {
  it('shows gradients before and after calibration, and which candidates were chosen', async () => {
    const budget = ['--trajectories', '1', '--calibration-steps', '2', '--steps', '2'];
    const args = ['diagnose', model, '--out', out, ...budget, '--pairs', '50'];
    const { findings } = await json<Diagnosis>(args);
    expect(findings.map(({ ranks }) => ranks !== undefined)).toEqual([false, true, true]);
    for (const { shared, all, opposed, ranks, layers } of findings) {
      expect(layers).toHaveLength(10);
      for (const cosine of [shared, all]) expect(Math.abs(cosine)).toBeLessThanOrEqual(1);
      expect(opposed).toBeGreaterThanOrEqual(0);
      expect(opposed).toBeLessThanOrEqual(1);
      if (ranks) expect(ranks.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
    }
    // The paper's recipe picks among two candidates.
    const paper = findings[1]!.ranks!;
    expect(paper[0]! + paper[1]!).toBeGreaterThan(0.99);
    const html = await readFile(join(out, 'diagnosis.html'), 'utf8');
    expect(html).toContain('Which candidate the sub-vectors use');

    // What is quantized already is used again, also when it is named by hand.
    const record = join(out, 'vq/quantize.json');
    const before = (await stat(record)).mtimeMs;
    const again = await json<Diagnosis>(args);
    expect((await stat(record)).mtimeMs).toBe(before);
    expect(again).toEqual({ ...again, findings });
    const artefact = (name: string) => join(out, name, 'artefact');
    const given = ['--before', artefact('vq'), '--after', artefact('paper')];
    const shared = ['--steps', '2', '--pairs', '50', '--out', join(folder, 'given')];
    const named = await json<Diagnosis>(['diagnose', model, ...given, ...shared]);
    expect(named.findings.map((one) => one.shared)).toEqual(
      findings.slice(0, 2).map((one) => one.shared),
    );
    await fail(['diagnose', artefact('vq')], /is quantized already/);
  });

  it('refuses artefacts that do not belong together', async () => {
    await fail(['diagnose', model, '--before', out], /--before and --after belong together/);
    const [two, three] = [join(folder, 'two'), join(folder, 'three')];
    await succeed(['quantize', model, two, '--method', 'vq', '--bits', '2']);
    await succeed(['quantize', model, three, '--method', 'vq', '--bits', '3']);
    const both = ['--before', two, '--after', three, '--steps', '1', '--out', join(folder, 'x')];
    await fail(['diagnose', model, ...both], /cannot be compared; quantize both alike/, {
      notes: true,
    });
  });
});
