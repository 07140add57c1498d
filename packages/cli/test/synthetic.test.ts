import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openModel, openSafetensors, openTensorFile } from '@vq4dit/checkpoint';
import { type DiTConfig, ditConfigToJson, ditPreset, expectedTensors } from '@vq4dit/dit';
import { inferVaeDecoder } from '@vq4dit/vae';
import { decode as decodePng } from 'fast-png';
import { beforeAll, describe, expect, it } from 'vitest';
import { succeed } from './support/cli.ts';
import { temporaryFolder } from './support/models.ts';

const folder = await temporaryFolder();
const at = (name: string) => join(folder, name);

/** Wide enough that statistics mean something, and quick. */
const SMALL: DiTConfig = {
  ...{ inputSize: 8, patchSize: 2, inChannels: 4, hiddenSize: 96, depth: 6, numHeads: 4 },
  ...{ mlpRatio: 4, numClasses: 10, classDropoutProb: 0.1, learnSigma: true },
};

function tool(name: 'dit' | 'vae', args: readonly string[]) {
  const path = fileURLToPath(new URL(`../../../tools/make-synthetic-${name}.mjs`, import.meta.url));
  return spawnSync(process.execPath, [path, ...args], { encoding: 'utf8' });
}

function make(name: 'dit' | 'vae', args: readonly string[]): void {
  const { status, stderr } = tool(name, args);
  expect(status, stderr).toBe(0);
}

beforeAll(async () => {
  await writeFile(at('config.json'), JSON.stringify(ditConfigToJson(SMALL)));
  make('dit', [at('config.json'), at('small.pt')]);
  make('dit', [at('config.json'), at('small.safetensors')]);
});

describe('a synthetic DiT', () => {
  it('is the same as .pt and as .safetensors, and has every tensor of the model', async () => {
    const options = { configPath: at('config.json') };
    const [pt, safetensors] = [
      await openModel(at('small.pt'), options),
      await openModel(at('small.safetensors'), options),
    ];
    expect(pt.config).toEqual(SMALL);
    expect([pt.extra, pt.names().length]).toEqual([[], expectedTensors(SMALL).size]);
    for (const name of pt.names()) {
      expect(pt.entry(name).dtype).toBe('F32');
      const values = await pt.readFloat32(name);
      expect(values).toEqual(await safetensors.readFloat32(name));
      expect(values.every(Number.isFinite)).toBe(true);
    }
    await Promise.all([pt.close(), safetensors.close()]);
  });

  it('of a preset has its true shapes', async () => {
    make('dit', ['DiT-S/8', at('s8.pt'), '--image-size', '512']);
    const model = await openModel(at('s8.pt'));
    expect(model.config).toEqual(ditPreset('DiT-S/8', 512));
    await model.close();
  });

  it('lies in its archive as PyTorch lays it: stored, aligned to 64 bytes', () => {
    const bytes = readFileSync(at('small.pt'));
    let count = 0;
    for (let from = 0; bytes.readUInt32LE(from) === 0x04034b50; count++) {
      const [flags, method] = [bytes.readUInt16LE(from + 6), bytes.readUInt16LE(from + 8)];
      const size = bytes.readUInt32LE(from + 22);
      const data = from + 30 + bytes.readUInt16LE(from + 26) + bytes.readUInt16LE(from + 28);
      expect([flags, method, bytes.readUInt32LE(from + 18), data % 64]).toEqual([
        ...[0x800, 0, size, 0],
      ]);
      from = data + size;
    }
    expect(count).toBe(expectedTensors(SMALL).size + 2);
  });

  it('depends on the seed alone', async () => {
    make('dit', [at('config.json'), at('again.safetensors'), '--seed', '0']);
    make('dit', [at('config.json'), at('other.safetensors'), '--seed', '1']);
    const [first, again, other] = await Promise.all(
      ['small', 'again', 'other'].map((name) => readFile(at(`${name}.safetensors`))),
    );
    expect(again!.equals(first!)).toBe(true);
    expect(other!.equals(first!)).toBe(false);
  });

  it('has long tails, channels of different size, and layers that grow with depth', async () => {
    const file = await openSafetensors(at('small.safetensors'));
    const deviations: number[] = [];
    for (let block = 0; block < SMALL.depth; block++) {
      const { deviation, kurtosis, columns } = statistics(
        await file.readFloat32(`blocks.${block}.mlp.fc1.weight`),
        SMALL.hiddenSize,
      );
      deviations.push(deviation);
      // Normal numbers of one size have a kurtosis of 3 and columns within 5 % of each other.
      expect(kurtosis).toBeGreaterThan(4.5);
      expect(kurtosis).toBeLessThan(40);
      expect(columns).toBeGreaterThan(0.2);
      expect(columns).toBeLessThan(0.6);
    }
    const ratio = deviations.at(-1)! / deviations[0]!;
    expect(ratio).toBeGreaterThan(1.2);
    expect(ratio).toBeLessThan(1.8);
    await file.close();
  });

  it.each([
    [['DiT-M/2', 'a.pt'], /presets: DiT-S\/2/],
    [['DiT-S/2', 'a.bin'], /usage:/],
    [['DiT-S/2', 'a.pt', '--seed', '-1'], /--seed/],
  ])('is not made of %o', (args, message) => {
    const { status, stderr } = tool('dit', args);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(message);
  });
});

describe('a synthetic image decoder', () => {
  it('has the names and shapes of a real one', async () => {
    make('vae', [at('vae.pt'), '--tiny']);
    const file = await openTensorFile(at('vae.pt'));
    const shapes = new Map(file.names().map((name) => [name, file.entry(name).shape]));
    const { config, names } = inferVaeDecoder(shapes);
    expect(config).toMatchObject({ latentChannels: 4, imageChannels: 3, levels: [64, 64, 32, 32] });
    expect(names.scheme).toBe('diffusers');
    expect(shapes.get('decoder.mid_block.attentions.0.to_q.weight')).toEqual([64, 64]);
    await file.close();
  });
});

it('from a synthetic checkpoint to pictures, in full and quantized', async () => {
  make('vae', [at('vae.safetensors'), '--tiny']);
  const config = ['--config', at('config.json')];
  const flags = ['--method', 'vq', '--codewords', '16', ...config, '--quiet'];
  await succeed(['quantize', at('small.pt'), at('quantized'), ...flags]);
  for (const model of ['small.pt', 'quantized']) {
    const more = model === 'small.pt' ? config : [];
    const out = at(`${model}.png`);
    await succeed([
      ...['sample', at(model), '--vae', at('vae.safetensors'), '--out', out],
      ...['--labels', '1,2', '--steps', '10', '--cfg', '4', '--scale', '1', ...more],
    ]);
    const { width, height, channels, data } = decodePng(await readFile(out));
    // Two images of 64 x 64, with gaps of two.
    expect({ width, height, channels }).toEqual({ width: 134, height: 68, channels: 3 });
    // Neither black nor white: the output stays in range.
    const inside = [...data].filter((byte) => byte > 0 && byte < 255).length / data.length;
    expect(inside).toBeGreaterThan(0.8);
  }
});

/** Of a matrix: deviation, kurtosis, and the spread of its columns' deviations by their logarithm. */
function statistics(values: Float32Array, width: number) {
  const squares = new Float64Array(width);
  let fourth = 0;
  for (const [i, value] of values.entries()) {
    squares[i % width]! += value ** 2;
    fourth += value ** 4;
  }
  const power = squares.reduce((a, b) => a + b) / values.length;
  const logs = [...squares].map((sum) => Math.log(sum) / 2);
  const mean = logs.reduce((a, b) => a + b) / width;
  const spread = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / width;
  return {
    deviation: Math.sqrt(power),
    kurtosis: fourth / values.length / power ** 2,
    columns: Math.sqrt(spread),
  };
}
