import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { demoModel } from '../src/index.ts';

interface Entry {
  readonly bytes: number;
  readonly sha256: string;
}

const root = new URL('../', import.meta.url);
const manifest: Record<string, Entry> = JSON.parse(readFileSync(demoModel.manifest, 'utf8'));
const config = JSON.parse(readFileSync(demoModel.config, 'utf8'));
const card = readFileSync(new URL('README.md', root), 'utf8');
const locations = Object.entries(demoModel).filter(
  (entry): entry is [string, URL] => entry[1] instanceof URL,
);

/** Shapes in the header of a safetensors file: 8 bytes of length, then JSON. */
function shapesOf(location: URL): Record<string, number[]> {
  const bytes = readFileSync(location);
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE(0))));
  return Object.fromEntries(
    Object.entries<{ shape: number[] }>(header)
      .filter(([name]) => name !== '__metadata__')
      .map(([name, { shape }]) => [name, shape]),
  );
}

describe('the files of the demo model', () => {
  it.each(locations)('%s exists', (_, location) => {
    expect(existsSync(fileURLToPath(location))).toBe(true);
  });

  it('are all in the manifest, and nothing else is', () => {
    const files = readdirSync(new URL('data/', root)).filter((file) => file !== 'manifest.json');
    expect(Object.keys(manifest).sort()).toEqual(files.sort());
  });

  it.each(Object.entries(manifest))('%s has the recorded size and hash', (file, entry) => {
    const bytes = readFileSync(new URL(`data/${file}`, root));
    expect(bytes.length).toBe(entry.bytes);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(entry.sha256);
  });

  it('are published with the package', () => {
    const { files } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
    expect(files).toContain('data');
  });
});

describe('the configuration', () => {
  it('names the classes that the package names, in the same order', () => {
    expect(config.class_names).toEqual(demoModel.classNames);
    expect(config.num_classes).toBe(demoModel.classNames.length);
  });

  it('fits the recorded forward pass', () => {
    const shapes = shapesOf(new URL('test/fixtures/dit-fashion.golden.safetensors', root));
    const { input_size: size, patch_size: patch, in_channels: channels } = config;
    const outputs = config.learn_sigma ? 2 * channels : channels;
    const tokens = (size / patch) ** 2;
    expect(shapes['forward.x']?.slice(1)).toEqual([channels, size, size]);
    expect(shapes['forward.out']?.slice(1)).toEqual([outputs, size, size]);
    const blocks = Object.keys(shapes).filter((name) => name.startsWith('forward.block.'));
    expect(blocks).toHaveLength(config.depth);
    for (const name of blocks) expect(shapes[name]?.slice(1)).toEqual([tokens, config.hidden_size]);
  });

  it('gives the number of block weights that the card states', () => {
    const width = config.hidden_size;
    // qkv 3, proj 1, fc1 and fc2 mlp_ratio each, adaLN modulation 6: in units of width squared.
    const perBlock = width * width * (3 + 1 + 2 * config.mlp_ratio + 6);
    expect(card).toContain((config.depth * perBlock).toLocaleString('en-US'));
  });
});

describe('the feature network', () => {
  it('has the shapes of its reference statistics and of its recorded outputs', () => {
    const network = shapesOf(demoModel.features);
    const reference = shapesOf(demoModel.reference);
    const golden = shapesOf(new URL('test/fixtures/features.golden.safetensors', root));
    const width = network['fc1.weight']?.[0];
    expect(network['fc2.weight']).toEqual([demoModel.classNames.length, width]);
    expect(reference.mu).toEqual([width]);
    expect(reference.sigma).toEqual([width, width]);
    expect(golden.features?.[1]).toBe(width);
    expect(golden.spatial?.[1]).toBe(reference.mu_spatial?.[0]);
  });
});
