import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DiTConfig, ditConfigToJson } from '@vq4dit/dit';
import { type NpzEntry, openNpz, writeNpz } from '@vq4dit/evaluation';
import { expect, it } from 'vitest';
import { json, succeed } from './support/cli.ts';
import { temporaryFolder } from './support/models.ts';

const folder = await temporaryFolder();
const at = (name: string) => join(folder, name);
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** Key names, latents and guidance of DiT-XL/2, at a width that takes seconds. */
const CONFIG: DiTConfig = {
  ...{ inputSize: 4, patchSize: 2, inChannels: 4, hiddenSize: 64, depth: 2, numHeads: 4 },
  ...{ mlpRatio: 4, numClasses: 10, classDropoutProb: 0.1, learnSigma: true },
};

interface Row {
  readonly method: string;
  readonly bits?: number;
  readonly images: number;
  readonly fid: { readonly mean: number };
  readonly trueBits: { readonly mean: number };
  readonly weightMse?: { readonly mean: number };
}

/** The commands of docs/reproduce.md, with the files that it names replaced by small ones. */
it('compares all methods on a latent model with an image decoder and Inception-v3', async () => {
  const make = (name: string, ...args: string[]) => {
    const { status, stderr } = spawnSync(process.execPath, [
      path(`../../../tools/${name}`),
      ...args,
    ]);
    expect(status, String(stderr)).toBe(0);
  };
  await writeFile(at('config.json'), JSON.stringify(ditConfigToJson(CONFIG)));
  make('make-synthetic-dit.mjs', at('config.json'), at('model.pt'));
  make('make-synthetic-vae.mjs', at('vae.safetensors'), '--tiny');
  // The structure of the real network, a sixteenth as wide.
  const network = path('../../evaluation/test/goldens/inception-narrow.safetensors');
  const config = ['--config', at('config.json')];
  const files = ['--vae', at('vae.safetensors'), '--network', network];
  const sampling = ['--sampler', 'ddpm', '--steps', '2', '--guidance', '1.5'];
  const batch = at('batch.npz');
  await succeed([
    ...[
      'eval',
      at('model.pt'),
      ...config,
      ...files,
      ...sampling,
      '--samples',
      '150',
      '--seed',
      '7',
    ],
    ...['--save-batch', batch, '--out', at('features')],
  ]);
  // Statistics of pooled features alone: those of the 2,023 spatial ones, which no width changes, take
  // minutes for each distance.
  const reference = at('reference.npz');
  const saved = await openNpz(batch);
  const entries: NpzEntry[] = [];
  for (const name of ['mu', 'sigma']) {
    const { shape, values } = await saved.read(name);
    const { buffer, byteOffset, byteLength } = values;
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    entries.push({ name, dtype: 'float64', shape, data: () => [bytes] });
  }
  saved.close();
  await writeNpz(reference, entries);
  const methods = [
    'uniform',
    'gptq',
    'qdit',
    'repq',
    'vq',
    'vq-codebook',
    'paper',
    'output-error',
    'best',
  ];
  const result = await json<{ rows: readonly Row[]; failed: readonly unknown[] }>([
    ...['compare', at('model.pt'), ...config, ...files, ...sampling, '--reference', reference],
    ...['--methods', methods.join(','), '--bits', '2', '--seeds', '0', '--samples', '16'],
    ...['--trajectories', '1', '--calibration-steps', '2', '--error-steps', '2'],
    ...['--error-repeats', '1', '--headline-samples', '0', '--out', at('comparison')],
  ]);
  expect(result.failed).toEqual([]);
  expect(result.rows.map(({ method }) => method)).toEqual(['original', ...methods]);
  for (const { method, images, fid, trueBits, weightMse } of result.rows) {
    expect(images, method).toBe(16);
    expect(fid.mean, method).toBeGreaterThan(0);
    if (method === 'original') continue;
    // Codebooks weigh more the narrower a model is; at DiT-XL/2 they are a two-hundredth of it.
    expect(trueBits.mean, method).toBeGreaterThan(2);
    expect(trueBits.mean, method).toBeLessThan(4);
    expect(weightMse === undefined, method).toBe(method === 'repq');
  }
  const markdown = await readFile(at('comparison/report.md'), 'utf8');
  for (const title of ['GPTQ', 'Q-DiT', 'RepQ-ViT', 'VQ4DiT, best recipe']) {
    expect(markdown).toContain(`| ${title} | 2 |`);
  }
}, 300_000);
