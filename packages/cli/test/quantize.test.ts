import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openModel } from '@vq4dit/checkpoint';
import { describe, expect, it } from 'vitest';
import { fail, json, succeed } from './support/cli.ts';
import { sameFolders, TINY, temporaryFolder, writeModel } from './support/models.ts';

interface Result {
  readonly out: string;
  readonly layers: number;
  readonly bytes: number;
  readonly originalBytes: number;
  readonly bitsPerWeight: number;
  readonly quantizedWeights: number;
  readonly seconds: Readonly<Record<string, number>>;
}

const folder = await temporaryFolder();
const at = (name: string) => join(folder, name);
const FAST = ['--trajectories', '1', '--steps', '2', '--batch', '1'];
const CALIBRATE = ['--trajectories', '2', '--steps', '3', '--batch', '2'];

async function layersOf(path: string) {
  const model = await openModel(path);
  await model.close();
  return { layers: model.quantizedLayers(), info: model.artefact! };
}

describe('quantize --method vq', () => {
  it('writes an artefact, says what it is and leaves nothing else behind', async () => {
    const out = at('vq/here');
    const { stdout, stderr } = await succeed(['quantize', TINY, out, '--method', 'vq']);
    expect(await readdir(at('vq'))).toEqual(['here']);
    expect(await readdir(out)).toEqual(['config.json', 'model.safetensors']);
    expect(stdout).toMatch(/^Wrote .*here: .* KiB on disk \(was .* KiB\), \d\.\d{3} bits per/);
    expect(stdout).toContain('Next: vq4dit sample');
    expect(stderr).toContain('K-means 10/10');
    // 96 x 32 weights in three codebooks: 256 sub-vectors each, a quarter of them codewords.
    expect(stderr).toContain('Fewer than 256 codewords');
    expect(stderr).toContain('blocks.0.attn.qkv 64 (256)');
    expect(stderr).toContain('and 1 more');
    // K-means runs on the backend, here the default.
    expect(stderr).toContain('Backend: wasm');
    expect(stderr).not.toContain('K-means runs on one thread');
    const { layers, info } = await layersOf(out);
    expect(layers).toHaveLength(10);
    expect(layers[0]).toMatchObject({ name: 'blocks.0.attn.qkv', groups: 3, k: 64, d: 4 });
    expect(info).toMatchObject({ method: 'vq', codewords: 256, subvector: 4, seed: '0' });
  });

  it('--bits 3 --json: one JSON document on stdout, progress on stderr', async () => {
    const out = at('three');
    const outcome = await succeed([
      'quantize',
      TINY,
      out,
      '--method',
      'vq',
      '--bits',
      '3',
      '--json',
    ]);
    const result: Result = JSON.parse(outcome.stdout);
    expect(result).toMatchObject({ out, layers: 10, widened: [], quantizedWeights: 36_864 });
    const files = await Promise.all(
      ['config.json', 'model.safetensors'].map((name) => readFile(join(out, name))),
    );
    expect(result.bytes).toBe(files.reduce((sum, file) => sum + file.byteLength, 0));
    expect(result.originalBytes).toBe((await readFile(TINY)).byteLength);
    expect(Object.keys(result.seconds)).toEqual(['vq', 'calibration', 'write']);
    expect(outcome.stderr).toContain('K-means 10/10');
    const { layers, info } = await layersOf(out);
    expect(info).toMatchObject({ bits: 3, codewords: 64, subvector: 2 });
    for (const layer of layers) expect(layer).toMatchObject({ k: 64, d: 2 });
  });

  it('--codewords and --subvector, --codebook-dtype, --no-split-qkv, --quiet', async () => {
    const out = at('sixteen');
    const rate = ['--codewords', '16', '--subvector', '8', '--codebook-dtype', 'F32'];
    const quiet = ['--no-split-qkv', '--quiet'];
    const { stderr } = await succeed(['quantize', TINY, out, '--method', 'vq', ...rate, ...quiet]);
    expect(stderr).toBe('');
    const { layers } = await layersOf(out);
    for (const layer of layers) {
      expect(layer).toMatchObject({ k: 16, d: 8, groups: 1, codebookDType: 'F32' });
    }
  });

  it('--include and --exclude choose layers; the others keep their bytes', async () => {
    const out = at('some');
    const globs = ['--include', 'blocks.0.*', '--include', '*.1.mlp.fc1', '--exclude', '*.attn.*'];
    await succeed(['quantize', TINY, out, '--method', 'vq', ...globs]);
    const { layers, info } = await layersOf(out);
    expect(layers.map(({ name }) => name)).toEqual([
      'blocks.0.mlp.fc1',
      'blocks.0.mlp.fc2',
      'blocks.0.adaLN_modulation.1',
      'blocks.1.mlp.fc1',
    ]);
    expect(info.modulesNotConverted).toContain('blocks.0.attn.qkv');
    const [original, artefact] = [await openModel(TINY), await openModel(out)];
    const name = 'blocks.1.attn.proj.weight';
    expect((await artefact.read(name)).data).toEqual((await original.read(name)).data);
    await original.close();
    await artefact.close();
  });

  it.each([
    [
      'a glob that matches nothing',
      ['--exclude', 'block.*'],
      /"block\.\*" matches no layer.*blocks/,
    ],
    ['an empty glob', ['--include', ''], /"" matches no layer/],
    ['globs that leave nothing', ['--exclude', '**'], /leave no layer/],
    ['d that does not divide a row', ['--subvector', '5'], /qkv: sub-vectors of 5 .* rows of 32/],
  ])('%s', async (_what, flags, message) => {
    await fail(['quantize', TINY, at('bad/globs'), '--method', 'vq', ...flags], message);
    expect(existsSync(at('bad'))).toBe(false);
  });

  it('gives the same bytes for the same seed, and others for another', async () => {
    const run = (name: string, seed: string) =>
      succeed(['quantize', TINY, at(name), '--method', 'vq', '--seed', seed]);
    await Promise.all([run('seed-a', '7'), run('seed-b', '7'), run('seed-c', '8')]);
    expect(await sameFolders(at('seed-a'), at('seed-b'))).toBe(true);
    expect(await sameFolders(at('seed-a'), at('seed-c'))).toBe(false);
  });

  it('gives the same bytes on any number of threads, and where the backend has no k-means', async () => {
    const args = ['--method', 'vq', '--seed', '3'];
    const run = (name: string, threads: string) =>
      succeed(['quantize', TINY, at(name), ...args], { env: { VQ4DIT_THREADS: threads } });
    await run('one-thread', '1');
    await run('three-threads', '3');
    const host = ['--backend', 'reference'];
    const { stderr } = await succeed(['quantize', TINY, at('on-host'), ...args, ...host]);
    expect(stderr).toContain('backend reference has no k-means of its own');
    expect(await sameFolders(at('one-thread'), at('three-threads'))).toBe(true);
    expect(await sameFolders(at('one-thread'), at('on-host'))).toBe(true);
  });

  it('replaces its own artefact, and no other folder', async () => {
    const args = ['--method', 'vq', '--include', 'blocks.0.attn.proj'];
    await succeed(['quantize', TINY, at('again'), ...args]);
    await succeed(['quantize', TINY, at('again'), ...args, '--seed', '9']);
    expect((await layersOf(at('again'))).info.seed).toBe('9');
    await mkdir(at('mine'));
    await writeFile(at('mine/thesis.txt'), 'x');
    await fail(['quantize', TINY, at('mine'), ...args], /also holds "thesis\.txt"/);
    expect(await readdir(at('mine'))).toEqual(['thesis.txt']);
    expect(existsSync(at('mine.work'))).toBe(false);
  });

  it('never writes over the model that it reads, nor quantizes twice', async () => {
    const model = await writeModel(at('original'));
    const before = await readFile(join(model, 'model.safetensors'));
    await fail(['quantize', model, model, '--method', 'vq'], /would destroy it/);
    expect((await readFile(join(model, 'model.safetensors'))).equals(before)).toBe(true);
    await fail(['quantize', at('vq/here'), at('twice')], /is quantized already/);
    expect(existsSync(at('twice.work'))).toBe(false);
  });

  it('reads the arguments of a bare state dict from --config', async () => {
    const bare = at('bare.pt');
    await copyFile(TINY.replace('-train-checkpoint', ''), bare);
    const one = ['--method', 'vq', '--include', 'blocks.0.attn.proj'];
    await fail(['quantize', bare, at('bare'), ...one], /number of attention heads/);
    await writeFile(at('dit.json'), JSON.stringify({ num_heads: 4 }));
    await succeed(['quantize', bare, at('bare'), ...one, '--config', at('dit.json')]);
    expect(existsSync(at('bare/config.json'))).toBe(true);
  });
});

describe('quantize --method vq4dit', () => {
  it('calibrates, gives the same bytes for the same seed, and others for another', async () => {
    const run = (name: string, seed: string) =>
      succeed(['quantize', TINY, at(name), ...CALIBRATE, '--seed', seed]);
    const [first] = await Promise.all([run('cal-a', '7'), run('cal-b', '7')]);
    await run('cal-c', '8');
    expect(first.stderr).toMatch(/^Backend: wasm \(/m);
    expect(first.stderr).toContain('Calibration 6/6');
    expect(first.stderr).toContain('hard 10/10');
    expect(await sameFolders(at('cal-a'), at('cal-b'))).toBe(true);
    expect(await sameFolders(at('cal-a'), at('cal-c'))).toBe(false);
    expect((await layersOf(at('cal-a'))).info).toMatchObject({ method: 'vq4dit', candidates: 4 });
  });

  it('--recipe published-code gives another result', async () => {
    await succeed([
      'quantize',
      TINY,
      at('code'),
      ...CALIBRATE,
      '--seed',
      '7',
      '--recipe',
      'published-code',
    ]);
    expect(await sameFolders(at('cal-a'), at('code'))).toBe(false);
  });

  it.each(['1', '2', '3', '4'])('--candidates %s', async (candidates) => {
    const out = at(`n${candidates}`);
    const flags = [...FAST, '--include', 'blocks.*.attn.proj', '--candidates', candidates];
    const result = await json<Result>(['quantize', TINY, out, ...flags, '--quiet']);
    expect(result.layers).toBe(2);
    expect((await layersOf(out)).info.candidates).toBe(Number(candidates));
  });

  it('more candidates than codewords are refused before any work', async () => {
    const flags = ['--codewords', '2', '--candidates', '4'];
    await fail(
      ['quantize', TINY, at('bad/n'), ...flags],
      /4 candidates .* codebook of 2 codewords/,
    );
    expect(existsSync(at('bad'))).toBe(false);
    await fail(['quantize', TINY, at('n5'), '--candidates', '5'], /from 1 to 4/, { code: 2 });
  });

  it.each(['reference', 'tfjs-cpu', 'tfjs-wasm'])('--backend %s', async (backend) => {
    const out = at(`on-${backend}`);
    const flags = [...FAST, '--include', 'blocks.0.attn.proj', '--backend', backend];
    const { stderr } = await succeed(['quantize', TINY, out, ...flags]);
    const [line] = stderr.split('\n');
    expect(line).toMatch(new RegExp(`^Backend: ${backend} \\(.+\\)$`));
    // Nothing but notes of our own: the libraries below are silent.
    const own =
      /^(Backend: |Fewer than |K-means (\d|runs on one thread)|Input statistics \d|Candidates \d|Refinement \d|Calibration \d)/;
    for (const text of stderr.trimEnd().split('\n')) expect(text).toMatch(own);
  });

  it('a backend that is not there, or not a GPU, is an error before any work', async () => {
    const job = ['quantize', TINY, at('bad/gpu')];
    await fail(
      [...job, '--backend', 'cuda'],
      /"cuda"; registered: (tfjs-node-gpu, )?wasm, tfjs-node, tfjs-wasm, tfjs-cpu, /,
    );
    await fail(
      [...job, '--method', 'vq', '--require-gpu'],
      /tfjs-wasm: runs on .*WebAssembly.* not a GPU.*tfjs-cpu: runs on .*JavaScript.* not a GPU/,
    );
    await fail([...job, '--backend', 'reference', '--require-gpu'], /reference: runs on .* GPU/);
    expect(existsSync(at('bad'))).toBe(false);
  });
});
