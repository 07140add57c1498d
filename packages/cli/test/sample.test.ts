import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSafetensors } from '@vq4dit/checkpoint';
import { decode as decodePng } from 'fast-png';
import { beforeAll, describe, expect, it } from 'vitest';
import { fail, json, succeed } from './support/cli.ts';
import { PICTURE_CONFIG, TINY, temporaryFolder, VAE, writeModel } from './support/models.ts';

const folder = await temporaryFolder();
const at = (name: string) => join(folder, name);
const model = at('model');
const artefact = at('artefact');
const QUICK = ['--steps', '4', '--scale', '1'];

/** Draws into a PNG and gives its bytes. */
async function png(name: string, args: readonly string[]): Promise<Buffer> {
  await succeed(['sample', ...args, '--out', at(name), '--quiet']);
  return readFile(at(name));
}

/**
 * Draws the raw values. The weights of the model are random, so most of its pixels are far out of
 * range; a PNG shows little more than their signs, these values show the last bit.
 */
async function raw(name: string, args: readonly string[]): Promise<Float32Array> {
  await succeed(['sample', ...args, '--out', at(name), '--quiet']);
  const file = await openSafetensors(at(name));
  const values = await file.readFloat32('samples');
  await file.close();
  return values;
}

/** The picture and the raw values that a model draws. */
const drawn = (name: string, model: string) =>
  Promise.all([
    png(`${name}.png`, [model, ...QUICK]),
    raw(`${name}.safetensors`, [model, ...QUICK]),
  ]);

/** The images of a grid, row by row; every pixel that is no image must be background. */
function cells(file: Buffer, rows: number, columns: number): number[][][] {
  const [size, gap] = [8, 2];
  const { width, height, channels, depth, data } = decodePng(file);
  expect({ width, height, channels, depth }).toEqual({
    width: columns * (size + gap) + gap,
    height: rows * (size + gap) + gap,
    channels: 1,
    depth: 8,
  });
  const images = Array.from({ length: rows }, () =>
    Array.from({ length: columns }, (): number[] => []),
  );
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [row, column] = [
        Math.floor((y - gap) / (size + gap)),
        Math.floor((x - gap) / (size + gap)),
      ];
      const inside = [y, x].every((v) => v >= gap && (v - gap) % (size + gap) < size);
      const value = data[y * width + x]!;
      if (inside) images[row]![column]!.push(value);
      else expect(value).toBe(96);
    }
  }
  return images;
}

beforeAll(async () => {
  await writeModel(model);
  const flags = ['--method', 'vq', '--codewords', '8', '--quiet'];
  await Promise.all([
    succeed(['quantize', model, artefact, ...flags]),
    succeed(['quantize', model, at('wide'), ...flags, '--codebook-dtype', 'F32']),
  ]);
});

describe('an artefact alone', () => {
  let before: Awaited<ReturnType<typeof drawn>>;
  beforeAll(async () => {
    before = await drawn('before', artefact);
  });

  it('draws the same pictures when its original is gone', async () => {
    await rename(model, at('elsewhere'));
    const after = await drawn('after', artefact);
    await rename(at('elsewhere'), model);
    expect(after).toEqual(before);
    expect(await raw('original.safetensors', [model, ...QUICK])).not.toEqual(before[1]);
  });

  it('draws the same when it is decoded', async () => {
    await succeed(['decode', artefact, at('decoded')]);
    expect(await drawn('decoded', at('decoded'))).toEqual(before);
  });

  it('draws the same when its codebooks are float32 and it is decoded', async () => {
    await succeed(['decode', at('wide'), at('wide-decoded.safetensors')]);
    const config = ['--config', join(model, 'config.json')];
    const [wide, decoded] = await Promise.all([
      raw('wide.safetensors', [at('wide'), ...QUICK]),
      raw('wide-again.safetensors', [at('wide-decoded.safetensors'), ...config, ...QUICK]),
    ]);
    expect(decoded).toEqual(wide);
    expect(wide).not.toEqual(before[1]);
  });

  it('gives names of classes to what is decoded from it', async () => {
    const config = JSON.parse(await readFile(at('decoded/config.json'), 'utf8'));
    expect(config.class_names).toEqual(['Bag', 'Coat', 'Dress', 'Ankle boot']);
    expect(config.quantization_config).toBeUndefined();
  });
});

describe('the grid', () => {
  it('has a row for each label of one model, and a row for each of several models', async () => {
    const many = ['--labels', '2,0', '--per-label', '3', ...QUICK];
    const [own, quantized, both, three] = await Promise.all([
      png('own.png', [model, ...many]),
      png('quantized.png', [artefact, ...many]),
      png('both.png', [model, artefact, ...many]),
      png('three.png', [artefact, model, artefact, ...many]),
    ]);
    // Each model alone: two labels of three images. Together: six columns.
    const first = cells(own, 2, 3).flat();
    const second = cells(quantized, 2, 3).flat();
    expect(first).not.toEqual(second);
    expect(cells(both, 2, 6)).toEqual([first, second]);
    expect(cells(three, 3, 6)).toEqual([second, first, second]);
  });

  it('draws the same images whatever the batch', async () => {
    const [all, parts] = await Promise.all([
      raw('batch-4.safetensors', [model, ...QUICK]),
      raw('batch-3.safetensors', [model, ...QUICK, '--batch', '3']),
    ]);
    const largest = Math.max(...all.map(Math.abs));
    // Another batch may be summed in another order: some roundings of float32 (6e-8), per step.
    const difference = Math.max(...all.map((value, i) => Math.abs(value - parts[i]!)));
    expect(difference / largest).toBeLessThan(1e-5);
  });
});

describe('what is drawn', () => {
  it('labels by number and by name', async () => {
    const [numbers, names] = await Promise.all([
      png('numbers.png', [model, '--labels', '3, 1', ...QUICK]),
      png('names.png', [model, '--labels', 'ankle boot,COAT', ...QUICK]),
    ]);
    expect(names.equals(numbers)).toBe(true);
    const report = await json<{ labels: number[]; models: string[]; seconds: number }>([
      ...['sample', model, artefact, '--out', at('report.png'), ...QUICK],
    ]);
    expect(report).toMatchObject({ labels: [0, 1, 2, 3], models: [model, artefact] });
  });

  it('depends on seed, sampler, its noise, steps and guidance', async () => {
    const one = [model, '--labels', '0'];
    const flags = [
      ['--steps', '4'],
      ['--steps', '5'],
      ['--steps', '4', '--seed', '1'],
      ['--steps', '4', '--cfg', '1'],
      ['--steps', '4', '--method', 'ddim'],
      ['--steps', '4', '--method', 'ddim', '--eta', '1'],
    ];
    const values: string[] = [];
    for (let i = 0; i < flags.length; i += 2) {
      const pair = flags
        .slice(i, i + 2)
        .map((more, j) => raw(`v${i + j}.safetensors`, [...one, ...more]));
      values.push(...(await Promise.all(pair)).map(String));
    }
    expect(new Set(values).size).toBe(flags.length);
  });

  it('writes the raw values of latents, [N, C, H, W]', async () => {
    const flags = ['--labels', '1,2,9', '--per-label', '2', '--steps', '2'];
    const { stdout } = await succeed([
      'sample',
      TINY,
      TINY,
      '--out',
      at('l.safetensors'),
      ...flags,
    ]);
    expect(stdout).toContain(`Rows, from the top:\n  1. ${TINY}\n  2. ${TINY}\nLabels: 1, 2, 9.`);
    const file = await openSafetensors(at('l.safetensors'));
    expect(file.names()).toEqual(['samples.0', 'samples.1']);
    for (const name of file.names()) expect(file.entry(name).shape).toEqual([6, 4, 8, 8]);
    const [a, b] = [await file.readFloat32('samples.0'), await file.readFloat32('samples.1')];
    await file.close();
    expect(a).toEqual(b);
    expect(a.every(Number.isFinite)).toBe(true);
    await succeed(['sample', TINY, '--out', at('one.safetensors'), '--steps', '1']);
    const one = await openSafetensors(at('one.safetensors'));
    expect(one.names()).toEqual(['samples']);
    expect(one.entry('samples').shape).toEqual([10, 4, 8, 8]);
    await one.close();
  });
});

describe('latents and their image decoder', () => {
  const QUICK_TINY = ['--labels', '1,2,9', '--steps', '2'];

  it('give pictures: a grid, single files, raw values, with the latents beside them', async () => {
    const flags = [...QUICK_TINY, '--vae', VAE, '--latents', at('z.safetensors')];
    const [grid, values, report] = await Promise.all([
      png('rgb.png', [TINY, ...flags, '--scale', '1']),
      raw('rgb.safetensors', [TINY, ...QUICK_TINY, '--vae', VAE]),
      json<{ images: string; vae: string; labels: number[]; classes: unknown[] }>([
        ...['sample', TINY, ...QUICK_TINY, '--vae', VAE, '--images', at('rgb')],
      ]),
    ]);
    expect(report).toMatchObject({ images: at('rgb'), vae: VAE, labels: [1, 2, 9] });
    const { width, height, channels, data } = decodePng(grid);
    // Three images of 16 x 16 in one row, with gaps of two.
    expect({ width, height, channels }).toEqual({ width: 56, height: 20, channels: 3 });
    expect(values.length).toBe(3 * 3 * 16 * 16);
    const byte = (value: number) => Math.max(0, Math.min(255, Math.round((value + 1) * 127.5)));
    const files = ['0-1.png', '1-2.png', '2-9.png'];
    expect((await readdir(at('rgb'))).sort()).toEqual(files);
    for (const [image, file] of files.entries()) {
      const single = decodePng(await readFile(join(at('rgb'), file)));
      expect([single.width, single.height, single.channels]).toEqual([48, 48, 3]);
      for (let y = 0; y < 16; y++) {
        for (let x = 0; x < 16; x++) {
          for (let c = 0; c < 3; c++) {
            const value = byte(values[((image * 3 + c) * 16 + y) * 16 + x]!);
            const inGrid = data[((y + 2) * width + image * 18 + x + 2) * 3 + c]!;
            const inFile = single.data[((3 * y + 1) * 48 + 3 * x + 1) * 3 + c]!;
            expect([inGrid, inFile].every((got) => Math.abs(got - value) <= 1)).toBe(true);
          }
        }
      }
    }
    const file = await openSafetensors(at('z.safetensors'));
    expect(file.names()).toEqual(['latents']);
    expect(file.entry('latents').shape).toEqual([3, 4, 8, 8]);
    expect(file.metadata.labels).toBe('[1,2,9]');
    await file.close();
    const flagsAgain = ['--vae', VAE, '--scale', '1', '--out', at('again.png')];
    const later = await json<{ labels: number[] }>(['images', at('z.safetensors'), ...flagsAgain]);
    expect(later.labels).toEqual([1, 2, 9]);
    const again = decodePng(await readFile(at('again.png')));
    // The device sums in an order that depends on where its buffers lie; a byte may differ by 1.
    expect(again.data.every((value, i) => Math.abs(value - data[i]!) <= 1)).toBe(true);
  });

  it('are found in the folder of a pipeline', async () => {
    const pipeline = await writeModel(at('pipeline'), { ...PICTURE_CONFIG, inChannels: 4 });
    await fail(['sample', pipeline, '--out', at('p.png')], /--vae <file or folder>/);
    await mkdir(join(pipeline, 'vae'));
    await copyFile(VAE, join(pipeline, 'vae', 'diffusion_pytorch_model.safetensors'));
    const flags = ['--labels', '0', '--steps', '1'];
    const found = await png('pipeline.png', [pipeline, ...flags]);
    expect(found.equals(await png('given.png', [pipeline, ...flags, '--vae', VAE]))).toBe(true);
    const config = join(pipeline, 'vae', 'config.json');
    await writeFile(config, JSON.stringify({ scaling_factor: 0.5 }));
    expect(found.equals(await png('scaled.png', [pipeline, ...flags]))).toBe(false);
  });

  it('can be decoded in tiles', async () => {
    const large = await writeModel(at('large'), {
      ...{ ...PICTURE_CONFIG, inChannels: 4, inputSize: 16, patchSize: 4 },
    });
    const flags = ['--labels', '0', '--steps', '1', '--vae', VAE];
    const [whole, tiled] = await Promise.all([
      raw('whole.safetensors', [large, ...flags]),
      raw('tiled.safetensors', [large, ...flags, '--tile', '12']),
    ]);
    expect(tiled.length).toBe(3 * 32 * 32);
    expect(tiled).not.toEqual(whole);
  });
});

describe('quantized layers', () => {
  it('draw the same packed as decoded', async () => {
    const [packed, decoded] = await Promise.all([
      raw('packed.safetensors', [artefact, ...QUICK, '--weights', 'packed']),
      raw('float.safetensors', [artefact, ...QUICK, '--weights', 'float32']),
    ]);
    const largest = Math.max(...decoded.map(Math.abs));
    const difference = Math.max(...decoded.map((value, i) => Math.abs(value - packed[i]!)));
    // The same numbers are multiplied, perhaps summed in another order.
    expect(difference / largest).toBeLessThan(1e-5);
  });
});

describe('what cannot be drawn is said before anything is drawn', () => {
  it.each([
    ['latents as a picture', [TINY], /Latents of 4 channels.*sd-vae-ft-ema or -mse\), or write/],
    ['what is no decoder', [TINY, '--vae', TINY], /no tensor decoder\.conv_in\.weight/],
    ['a decoder that is missing', [TINY, '--vae', 'nowhere'], /nowhere: there is no such file/],
    [
      'pictures that need no decoder',
      [model, '--vae', VAE],
      /--vae: .* draws pictures of 1 channel/,
    ],
    [
      'latents of no latents',
      [model, '--latents', 'z.safetensors'],
      /--latents: .* draws pictures/,
    ],
    ['packed weights of none', [model, '--weights', 'packed'], /none of the models is quantized/],
    ['an unknown number', [model, '--labels', '0,4'], /no label "4"; labels are 0 to 3, or a name/],
    ['an unknown name', [model, '--labels', 'Cat'], /"Cat"; .*: Bag, Coat, Dress, Ankle boot\.$/],
    ['a label without names', [TINY, '--labels', 'Bag'], /"Bag"; labels are 0 to 9\.$/],
    ['a negative label', [model, '--labels', '-1'], /no label "-1"/],
    ['an empty label', [model, '--labels', '0,'], /no label ""/],
    ['models that differ', [model, TINY], /cannot stand side by side/],
    ['noise without DDIM', [model, '--eta', '0.5'], /--eta 0\.5 is for DDIM only/],
  ])('%s', async (_what, args, message) => {
    const out = args[0] === TINY && args.includes('--labels') ? 'no.safetensors' : 'no.png';
    await fail(['sample', ...args, '--out', at(out)], message);
    expect(existsSync(at(out))).toBe(false);
  });

  it('a name of another kind, a folder that is missing or in the way', async () => {
    await fail(['sample', TINY, '--latents', at('z.png')], /must end in \.safetensors/);
    await fail(['sample', model, '--images', model], /is where the model .* is/);
    await writeFile(join(await mkdtemp(at('mine-')), 'letter.txt'), 'dear all');
    const mine = (await readdir(folder)).find((name) => name.startsWith('mine-'))!;
    await fail(['sample', model, '--images', at(mine)], /which also holds "letter\.txt"/);
    await fail(['sample', model, '--out', at('a.jpg')], /must end in \.png or \.safetensors/);
    await fail(['sample', model, '--out', at('no/a.png')], /does not exist; create it first/);
    await fail(['sample', model, '--out', at('before.png/a.png')], /is not a folder/);
    await mkdir(at('folder.png'), { recursive: true });
    await fail(['sample', model, '--out', at('folder.png')], /there is a folder of that name/);
    const own = join(model, 'model.safetensors');
    await fail(['sample', model, '--out', own], /would destroy it/);
  });

  it('latents that are none', async () => {
    const samples = at('samples.safetensors');
    await succeed(['sample', TINY, '--out', samples, '--steps', '1', '--labels', '1']);
    const flags = ['--vae', VAE, '--out', at('no.png')];
    await fail(['images', samples, ...flags], /no latents of vq4dit sample --latents/);
    await fail(['images', model, ...flags], /this is a folder/);
    const latents = at('l.safetensors');
    await succeed(['sample', TINY, '--latents', latents, '--steps', '1', '--labels', '1']);
    await fail(['images', latents, '--out', at('no.png')], /Latents of 4 channels.*--vae/);
    await fail(['images', latents, ...flags.slice(0, 2), '--out', latents], /would destroy it/);
    await fail(['images', latents], /nothing would be written/, { code: 2 });
    expect(existsSync(at('no.png'))).toBe(false);
  });

  it('guidance of a model without a null label', async () => {
    const plain = await writeModel(at('plain'), { ...PICTURE_CONFIG, classDropoutProb: 0 });
    await fail(['sample', plain, '--out', at('g.png')], /use guidance scale 1/, { notes: true });
    await succeed(['sample', plain, '--out', at('g.png'), '--cfg', '1', '--steps', '1']);
  });

  it('a model of NaN', async () => {
    const broken = await writeModel(at('broken'));
    const file = join(broken, 'model.safetensors');
    const bytes = await readFile(file);
    bytes.writeFloatLE(Number.NaN, bytes.byteLength - 4);
    await writeFile(file, bytes);
    await fail(['sample', broken, '--out', at('n.png')], /tensor \S+ .*NaN/, { notes: true });
    expect(existsSync(at('n.png'))).toBe(false);
  });
});
