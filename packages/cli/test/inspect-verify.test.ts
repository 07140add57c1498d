import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openModel, openSafetensors } from '@vq4dit/checkpoint';
import { beforeAll, describe, expect, it } from 'vitest';
import { fail, json, succeed } from './support/cli.ts';
import { PICTURE_CONFIG, TINY, temporaryFolder, tiny, writeModel } from './support/models.ts';

interface Description {
  readonly path: string;
  readonly kind: string;
  readonly bytes: number;
  readonly parameters: number;
  readonly config: Readonly<Record<string, unknown>>;
  readonly classNames?: readonly string[];
  readonly artefact?: { readonly method: string; readonly sourceSha256: string };
  readonly quantized?: { readonly bitsPerWeight: number; readonly weights: number };
  readonly layers: readonly { readonly name: string; readonly k: number }[];
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

interface Verified {
  readonly layers: readonly {
    readonly name: string;
    readonly mse: number;
    readonly sqnr: number;
  }[];
  readonly total: { readonly mse: number };
  readonly changed: readonly string[];
  readonly bitsPerWeight: number;
  readonly errors?: { readonly block: number; readonly perBlock: readonly number[] };
}

const folder = await temporaryFolder();
const at = (name: string) => join(folder, name);
const model = at('model');
const artefact = at('artefact');
const calibrated = at('calibrated');

beforeAll(async () => {
  await writeModel(model);
  const flags = ['--quiet', '--codewords', '8'];
  const budget = ['--trajectories', '1', '--steps', '2', '--batch', '1'];
  await Promise.all([
    succeed(['quantize', model, artefact, '--method', 'vq', ...flags]),
    succeed(['quantize', model, calibrated, ...budget, ...flags]),
  ]);
});

describe('inspect', () => {
  it('tells the same of one model in any form', async () => {
    await copyFile(tiny('dit-tiny.pt'), at('bare.pt'));
    await mkdir(at('folder'));
    await copyFile(tiny('dit-tiny.safetensors'), at('folder/dit.safetensors'));
    const config = at('folder/config.json');
    const first = await json<Description>(['inspect', TINY]);
    await writeFile(config, JSON.stringify({ num_heads: 4 }));
    const [bare, inFolder] = await Promise.all([
      json<Description>(['inspect', at('bare.pt'), '--config', config]),
      json<Description>(['inspect', at('folder')]),
    ]);
    expect(first).toMatchObject({
      path: TINY,
      kind: 'checkpoint',
      bytes: (await stat(TINY)).size,
      config: { input_size: 8, hidden_size: 32, depth: 2, num_heads: 4, learn_sigma: true },
      layers: [],
    });
    expect(first.parameters).toBe(
      first.tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    );
    for (const other of [bare, inFolder]) {
      expect(other).toMatchObject({ kind: first.kind, parameters: first.parameters });
      expect(other.config).toEqual(first.config);
      const names = ({ tensors }: Description) => tensors.map(({ name }) => name).sort();
      expect(names(other)).toEqual(names(first));
    }
  });

  it('tells people the model and, with --tensors, every tensor', async () => {
    const { stdout, stderr } = await succeed(['inspect', TINY, '--tensors']);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^\S+: checkpoint \(facebook names\), 213\.67 KiB$/m);
    expect(stdout).toMatch(/^Model: input_size=8 patch_size=2 .*num_heads=4/m);
    expect(stdout).toMatch(/blocks\.1\.attn\.qkv\.weight .* F32 .* 96 x 32/);
    expect(stdout).not.toContain('Quantized');
  });

  it('tells what an artefact is made of', async () => {
    const info = await json<Description>(['inspect', calibrated]);
    expect(info).toMatchObject({
      kind: 'artefact',
      classNames: ['Bag', 'Coat', 'Dress', 'Ankle boot'],
    });
    const source = await openModel(model);
    expect(info.artefact).toMatchObject({ method: 'vq4dit', sourceSha256: await source.sha256() });
    await source.close();
    expect(info.layers).toHaveLength(10);
    expect(info.layers.every(({ k }) => k === 8)).toBe(true);
    const { stdout } = await succeed(['inspect', artefact]);
    const bits = info.quantized!.bitsPerWeight.toFixed(3);
    expect(stdout).toContain(`in 10 layers, ${bits} bits per weight with codebooks`);
    expect(stdout).toMatch(/blocks\.0\.attn\.qkv .* 48 x 16 .* 3 .* 8 .* 4 .* F16/);
    expect(stdout).not.toContain('undefined');
  });
});

describe('verify', () => {
  it('gives the error of every matrix, as it is', async () => {
    const report = await json<Verified>(['verify', model, artefact]);
    expect(report.changed).toEqual([]);
    expect(report.errors).toBeUndefined();
    const [a, b] = [await openModel(model), await openModel(artefact)];
    let [sum, count] = [0, 0];
    for (const { name, mse, sqnr } of report.layers) {
      const [w, q] = [await a.readFloat32(`${name}.weight`), await b.readFloat32(`${name}.weight`)];
      const noise = w.reduce((total, value, i) => total + (value - q[i]!) ** 2, 0);
      const power = w.reduce((total, value) => total + value ** 2, 0);
      expect(mse).toBeCloseTo(noise / w.length, 12);
      expect(sqnr).toBeCloseTo(10 * Math.log10(power / noise), 9);
      sum += noise;
      count += w.length;
    }
    await a.close();
    await b.close();
    expect(report.layers).toHaveLength(10);
    expect(report.total.mse).toBeCloseTo(sum / count, 12);
    const { stdout, stderr } = await succeed(['verify', model, artefact]);
    expect(stderr).toBe('');
    expect(stdout).toContain('All other tensors are the same.');
    expect(stdout).toContain(`${report.bitsPerWeight.toFixed(3)} bits per weight`);
  });

  it('--blocks measures the outputs of blocks; only biases were trained beside the matrices', async () => {
    const flags = ['--blocks', '--steps', '2', '--repeats', '1'];
    const [report, text] = await Promise.all([
      json<Verified>(['verify', model, calibrated, ...flags]),
      succeed(['verify', model, calibrated, ...flags]),
    ]);
    expect(report.errors!.perBlock).toHaveLength(2);
    expect(report.errors!.block).toBeGreaterThan(0);
    expect(report.changed.length).toBeGreaterThan(0);
    expect(report.changed.every((name) => /^blocks\.\d\..*\.bias$/.test(name))).toBe(true);
    expect(text.stderr).toContain('Measuring 2/2');
    expect(text.stdout).toContain('Block-output MSE');
    expect(text.stdout).toContain('other tensors differ: blocks.0.');
  });

  it('refuses another original, another shape, and two checkpoints', async () => {
    const other = await writeModel(at('other'), PICTURE_CONFIG, { seed: 2 });
    const wide = await writeModel(at('wide'), { ...PICTURE_CONFIG, hiddenSize: 32 });
    const deep = await writeModel(at('deep'), { ...PICTURE_CONFIG, depth: 1 });
    await fail(['verify', other, artefact], /differs from .* belongs to another checkpoint\.$/);
    await fail(['verify', wide, artefact], /qkv\.weight has 3072 weights in one model and 768/);
    await fail(['verify', deep, artefact], /no tensor "blocks\.1\./);
    await fail(['verify', artefact, model], /is a plain checkpoint; give the artefact second\.$/);
  });
});

describe('decode', () => {
  it('writes one file in float16 with the names of diffusers', async () => {
    const flags = ['--dtype', 'F16', '--key-names', 'diffusers'];
    const report = await json<{ out: string; bytes: number; dtype: string }>([
      ...['decode', artefact, at('half.safetensors'), ...flags],
    ]);
    expect(report).toMatchObject({ out: at('half.safetensors'), dtype: 'F16' });
    const file = await openSafetensors(at('half.safetensors'));
    expect(file.entry('transformer_blocks.0.attn1.to_q.weight')).toMatchObject({
      dtype: 'F16',
      shape: [16, 16],
    });
    await file.close();
    expect(report.bytes).toBe((await stat(at('half.safetensors'))).size);
  });

  it('refuses a plain checkpoint, and to write over what it reads', async () => {
    await fail(['decode', TINY, at('no')], /is a plain checkpoint already/);
    const before = await readFile(join(artefact, 'model.safetensors'));
    await fail(['decode', artefact, artefact], /would destroy it/);
    await fail(['decode', artefact, join(artefact, 'model.safetensors')], /would destroy it/);
    expect((await readFile(join(artefact, 'model.safetensors'))).equals(before)).toBe(true);
    await fail(['decode', artefact, at('no/where/x.safetensors')], /could not be written/);
    expect(existsSync(at('no'))).toBe(false);
  });
});
