import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ArgumentError, type LayerState, OutputError, VqWeight } from '@vq4dit/core';
import { ditPreset } from '@vq4dit/dit';
import fc from 'fast-check';
import { decode } from 'fast-png';
import { afterEach, describe, expect, it } from 'vitest';
import { quantizeCommand, settingsOf } from '../src/commands/quantize.ts';
import { threadsOfWorkers } from '../src/compare/machine.ts';
import { METHODS, rateArguments } from '../src/compare/methods.ts';
import { planCells } from '../src/compare/plan.ts';
import {
  checkNoInput,
  checkOutputFile,
  checkOutputFolder,
  removeLeftovers,
} from '../src/output.ts';
import { describeClamped, type LayerSelection, planLayers } from '../src/quantize/layers.ts';
import { DEFAULT_SETTINGS, RECIPES } from '../src/quantize/options.ts';
import { WorkFolder } from '../src/quantize/work-folder.ts';
import { classNamesOf, findClass, shortName } from '../src/sample/class-names.ts';
import { defaultBatch, isLatent, sampleDefaults } from '../src/sample/defaults.ts';
import { encodeGrid } from '../src/sample/grid.ts';
import { IMAGENET_CLASSES } from '../src/sample/imagenet-classes.ts';
import { parseLabels } from '../src/sample/labels.ts';
import { imageFiles } from '../src/sample/write-images.ts';
import { collect, integer, number } from '../src/terminal/parse.ts';
import { formatBytes, formatNumber, formatSeconds, formatTable } from '../src/terminal/reporter.ts';
import { CLASS_NAMES, PICTURE_CONFIG, temporaryFolder } from './support/models.ts';

const folder = await temporaryFolder();
const selection = (more: Partial<LayerSelection> = {}): LayerSelection => ({
  ...{ codewords: 256, subvector: 4, include: [], exclude: [], splitQkv: true },
  ...more,
});

describe('planCells', () => {
  const cells = planCells({
    models: [{ name: 'm', path: 'm.pt' }],
    methods: ['uniform', 'vq'],
    bits: [3, 2],
    seeds: { all: [5], byBits: new Map([[2, [0, 1]]]) },
    headline: ['vq'],
    calibration: {},
  });

  it('begins with the original and the fewest bits, and runs once what depends on no seed', () => {
    expect(cells.map(({ id }) => id)).toEqual([
      ...['m/original', 'm/uniform-2bit-seed0', 'm/vq-2bit-seed0', 'm/vq-2bit-seed1'],
      ...['m/uniform-3bit-seed5', 'm/vq-3bit-seed5'],
    ]);
  });

  it('measures headlines at the fewest bits and the first seed', () => {
    const headlines = cells.filter(({ headline }) => headline).map(({ id }) => id);
    expect(headlines).toEqual(['m/original', 'm/vq-2bit-seed0']);
  });
});

describe('threadsOfWorkers', () => {
  const chosen = process.env.VQ4DIT_THREADS;
  afterEach(() => {
    if (chosen === undefined) delete process.env.VQ4DIT_THREADS;
    else process.env.VQ4DIT_THREADS = chosen;
  });

  it('shares the cores out among several workers, at least one for each', () => {
    delete process.env.VQ4DIT_THREADS;
    expect(threadsOfWorkers(1)).toBeUndefined();
    expect(threadsOfWorkers(availableParallelism())).toBe(
      availableParallelism() === 1 ? undefined : 1,
    );
    expect(threadsOfWorkers(1000)).toBe(1);
  });

  it('leaves the choice to the user', () => {
    process.env.VQ4DIT_THREADS = '3';
    expect(threadsOfWorkers(2)).toBeUndefined();
  });
});

describe('planLayers', () => {
  it('takes every linear layer of the blocks, q, k and v apart', () => {
    const plans = planLayers({ ...PICTURE_CONFIG, hiddenSize: 64 }, selection());
    expect(plans).toHaveLength(10);
    expect(plans.slice(0, 5)).toEqual([
      // [192, 64] in three parts of 1024 sub-vectors: exactly 4 for each of 256 codewords.
      {
        name: 'blocks.0.attn.qkv',
        rows: 192,
        columns: 64,
        groups: 3,
        k: 256,
        d: 4,
        subvectors: 1024,
      },
      {
        name: 'blocks.0.attn.proj',
        rows: 64,
        columns: 64,
        groups: 1,
        k: 256,
        d: 4,
        subvectors: 1024,
      },
      {
        name: 'blocks.0.mlp.fc1',
        rows: 256,
        columns: 64,
        groups: 1,
        k: 256,
        d: 4,
        subvectors: 4096,
      },
      {
        name: 'blocks.0.mlp.fc2',
        rows: 64,
        columns: 256,
        groups: 1,
        k: 256,
        d: 4,
        subvectors: 4096,
      },
      {
        ...{ name: 'blocks.0.adaLN_modulation.1', rows: 384, columns: 64 },
        ...{ groups: 1, k: 256, d: 4, subvectors: 6144 },
      },
    ]);
    expect(describeClamped(plans, 256)).toBeUndefined();
  });

  it('has one codebook for fused q, k, v where that is asked for', () => {
    const [qkv] = planLayers(PICTURE_CONFIG, selection({ splitQkv: false }));
    expect(qkv).toMatchObject({ groups: 1, subvectors: 192, k: 32 });
  });

  it('lets exclusion win over inclusion', () => {
    const some = selection({ include: ['*.mlp.*'], exclude: ['blocks.1.**'] });
    const names = planLayers(PICTURE_CONFIG, some).map(({ name }) => name);
    expect(names).toEqual(['blocks.0.mlp.fc1', 'blocks.0.mlp.fc2']);
  });

  it('refuses what does not fit, before anything is computed', () => {
    const plan = (more: Partial<LayerSelection>, candidates?: number) => () =>
      planLayers(PICTURE_CONFIG, selection(more), candidates);
    expect(plan({ subvector: 3 })).toThrow(/sub-vectors of 3 weights do not divide rows of 16/);
    expect(plan({ exclude: ['x_embedder*'] })).toThrow(/matches no layer/);
    expect(plan({ codewords: 3 }, 4)).toThrow(/4 candidates cannot be taken from .* 3 codewords/);
    expect(plan({ codewords: 4 }, 4)).not.toThrow();
  });

  it('names the layers that are too small, the first three of them', () => {
    const plans = planLayers(PICTURE_CONFIG, selection());
    expect(describeClamped(plans, 256)).toBe(
      'Fewer than 256 codewords, for lack of sub-vectors (their number in brackets): blocks.0.attn.qkv 16 (64), blocks.0.attn.proj 16 (64), blocks.0.mlp.fc1 64 (256), and 7 more.',
    );
  });
});

describe('METHODS', () => {
  it.each(METHODS)('$name is what quantize understands, at each of its rates', (method) => {
    const rates = [1, 2, 3, 4, 5, 8].flatMap((bits) => {
      const rate = rateArguments(method, bits);
      return rate ? [{ bits, rate }] : [];
    });
    expect(rates.map(({ bits }) => bits)).toEqual(expect.arrayContaining([2, 3, 4]));
    for (const { bits, rate } of rates) {
      const command = quantizeCommand().action(() => undefined);
      const args = ['--method', method.method, ...rate, ...method.args];
      command.parse(['model', 'out', ...args], { from: 'user' });
      expect(settingsOf(command.opts())).toMatchObject({ method: method.method, bits });
    }
  });
});

describe('settingsOf', () => {
  const parse = (...args: string[]) => {
    const command = quantizeCommand().action(() => undefined);
    command.parse(['model', 'out', ...args], { from: 'user' });
    return settingsOf(command.opts());
  };

  it('without options is the default', () => {
    expect(parse()).toEqual(DEFAULT_SETTINGS);
  });

  it('takes every option', () => {
    const rate = parse('--bits', '3');
    expect(rate).toEqual({ ...DEFAULT_SETTINGS, bits: 3, codewords: 64, subvector: 2 });
    expect(parse('--codewords', '16', '--subvector', '8')).toMatchObject({
      ...{ bits: 0.5, codewords: 16, subvector: 8 },
    });
    const budget = ['--trajectories', '3', '--steps', '7', '--batch', '2', '--cfg', '1.5'];
    expect(parse(...budget).budget).toEqual({
      ...DEFAULT_SETTINGS.budget,
      ...{ trajectories: 3, steps: 7, batch: 2, cfgScale: 1.5 },
    });
    const code = parse('--recipe', 'published-code', '--candidates', '4');
    expect(code.calibration).toEqual({ ...RECIPES['published-code'], candidates: 4 });
    expect(parse('--block-inputs', 'quantized').calibration.blockInputs).toBe('quantized');
    expect(
      parse('--include', 'a', '--include', 'b', '--exclude', 'c', '--no-split-qkv', '--seed', '5'),
    ).toMatchObject({ include: ['a', 'b'], exclude: ['c'], splitQkv: false, seed: 5 });
    expect(
      parse('--codebook-dtype', 'F32', '--max-iterations', '9', '--method', 'vq'),
    ).toMatchObject({ codebookDType: 'F32', maxIterations: 9, method: 'vq' });
  });
});

describe('parsers', () => {
  it('take what is in range and refuse the rest', () => {
    for (const text of ['1', '42', '1000']) expect(integer(1, 1000)(text)).toBe(Number(text));
    for (const text of [
      '',
      '0',
      '1001',
      '1.5',
      '1e3',
      '0x10',
      'NaN',
      'five',
      '-3',
      '9'.repeat(30),
    ]) {
      expect(() => integer(1, 1000)(text), text).toThrow(/integer from 1 to 1000/);
    }
    expect(() => integer(1)('9'.repeat(30))).toThrow(/integer of at least 1/);
    for (const text of ['0', '1.5', '1e3']) expect(number(0)(text)).toBe(Number(text));
    for (const text of ['', ' ', '-1', 'NaN', 'Infinity', 'x']) {
      expect(() => number(0)(text), text).toThrow(/number of at least 0/);
    }
    expect(() => number(0, 1)('1.01')).toThrow(/number from 0 to 1/);
    expect(collect('b', collect('a'))).toEqual(['a', 'b']);
  });

  it('labels: a list of numbers and names, or what is usual', () => {
    const many = { ...PICTURE_CONFIG, numClasses: 900 };
    const usual = [1, 2];
    expect(parseLabels(undefined, many, undefined, usual)).toEqual([1, 2]);
    expect(parseLabels(' 899, 0 ', many, undefined, usual)).toEqual([899, 0]);
    expect(parseLabels('ankle BOOT,0', PICTURE_CONFIG, CLASS_NAMES, usual)).toEqual([3, 0]);
    for (const bad of ['4', '-1', '1.0', '', '0;1', 'null']) {
      const parse = () => parseLabels(bad, PICTURE_CONFIG, CLASS_NAMES, usual);
      expect(parse, bad).toThrow(ArgumentError);
    }
    expect(() => parseLabels('bag', many, undefined, usual)).toThrow(/labels are 0 to 899\.$/);
  });
});

describe('the classes of ImageNet', () => {
  const imagenet = { ...PICTURE_CONFIG, numClasses: 1000 };
  const parse = (text: string) => parseLabels(text, imagenet, undefined, []);

  it('are a thousand different ones, in their usual order', () => {
    expect(IMAGENET_CLASSES.length).toBe(1000);
    expect(new Set(IMAGENET_CLASSES).size).toBe(999); // "crane", the bird, and "crane", the machine
    expect(IMAGENET_CLASSES.every((name) => /^[\w'., -]+$/.test(name))).toBe(true);
    const known = { 0: 'tench', 207: 'golden retriever', 388: 'giant panda', 417: 'balloon' };
    for (const [i, name] of Object.entries(known)) {
      expect(shortName(IMAGENET_CLASSES[Number(i)]!)).toBe(name);
    }
    expect(IMAGENET_CLASSES[999]).toBe('toilet tissue, toilet paper, bathroom tissue');
  });

  it('go by number and by any synonym, in upper or lower case', () => {
    expect(parse('golden retriever,88, Geyser ,VALE')).toEqual([207, 88, 974, 979]);
    expect(parse('panda bear,Ailurus fulgens,arctic fox')).toEqual([388, 387, 279]);
    const own = classNamesOf(PICTURE_CONFIG, CLASS_NAMES);
    expect(own).toEqual(CLASS_NAMES);
    expect(classNamesOf(PICTURE_CONFIG, undefined)).toBeUndefined();
    expect(classNamesOf({ ...imagenet, numClasses: 999 }, undefined)).toBeUndefined();
  });

  it('are all found by each of their names, or the name says which there are', () => {
    for (const [i, name] of IMAGENET_CLASSES.entries()) {
      for (const synonym of name.split(',').map((part) => part.trim())) {
        try {
          expect(findClass(synonym, IMAGENET_CLASSES)).toBe(i);
        } catch (error) {
          expect((error as Error).message).toMatch(
            new RegExp(`more than one class: .*\\b${i} \\(`),
          );
        }
      }
    }
  });

  it.each([
    [
      'crane',
      /"crane" names more than one class: 134 \(crane\) and 517 \(crane\); give the number/,
    ],
    ['Maillot', /638 \(maillot\) and 639 \(maillot, tank suit\)/],
    ['panda', /387 \(lesser panda, red panda.*\) and 388 \(giant panda, panda/],
  ])('are not guessed: %s', (text, message) => {
    expect(() => parse(text)).toThrow(message);
  });

  it.each([
    ['goldn retriver', /no label "goldn retriver"; did you mean golden retriever \(207\),/],
    ['retriever', /did you mean .*golden retriever \(207\)/],
    ['baloon', /did you mean balloon \(417\)/],
    ['1000', /labels are 0 to 999, or a name/],
  ])('are suggested: %s', (text, message) => {
    expect(() => parse(text)).toThrow(message);
  });
});

describe('what is usual', () => {
  it('for latents of ImageNet is what the original program draws', () => {
    const xl = ditPreset('DiT-XL/2', 512);
    expect(sampleDefaults(xl)).toEqual({
      ...{ labels: [207, 360, 387, 974, 88, 979, 417, 279], steps: 250, cfgScale: 4, scale: 1 },
    });
    expect(isLatent(xl)).toBe(true);
  });

  it('for anything else is quick', () => {
    const quick = { steps: 50, cfgScale: 1.5, scale: 3 };
    expect(sampleDefaults(PICTURE_CONFIG)).toEqual({ ...quick, labels: [0, 1, 2, 3] });
    const colour = { ...PICTURE_CONFIG, inChannels: 3, numClasses: 1000 };
    expect(sampleDefaults(colour)).toEqual({ ...quick, labels: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] });
    expect([PICTURE_CONFIG, colour].map(isLatent)).toEqual([false, false]);
  });

  it('as a batch takes no more memory for a larger model', () => {
    expect(defaultBatch(PICTURE_CONFIG, true)).toBe(20);
    // 256 tokens of 4608 values, twice: 9.4 MB an image of at most 32 MiB.
    expect(defaultBatch(ditPreset('DiT-XL/2'), true)).toBe(3);
    expect(defaultBatch(ditPreset('DiT-XL/2'), false)).toBe(7);
    expect(defaultBatch(ditPreset('DiT-XL/2', 512), true)).toBe(1);
    expect(defaultBatch(ditPreset('DiT-XL/2', 1024), true)).toBe(1);
  });
});

describe('files of single images', () => {
  it('are named by number, label and class, and by model where there are several', () => {
    const names = ['tench', null, 'Ankle boot', "jack-o'-lantern"];
    expect(imageFiles(1, [0, 5, 3, 607], names)).toEqual([
      ...['0-0-tench.png', '1-5.png', '2-3-ankle-boot.png', '3-607-jack-o-lantern.png'],
    ]);
    const both = imageFiles(2, [1, 1], ['Coat', 'Coat']);
    expect(both).toEqual([
      ...['model1-0-1-coat.png', 'model1-1-1-coat.png'],
      ...['model2-0-1-coat.png', 'model2-1-1-coat.png'],
    ]);
    const many = imageFiles(1, new Array(11).fill(2), new Array(11).fill(null));
    expect([many[0], many[10]]).toEqual(['00-2.png', '10-2.png']);
    expect(new Set(many).size).toBe(11);
  });
});

describe('formatters', () => {
  it.each([
    [formatSeconds(0.04), '0.0s'],
    [formatSeconds(9.94), '9.9s'],
    [formatSeconds(59.4), '59s'],
    [formatSeconds(59.7), '1m 0s'],
    [formatSeconds(75), '1m 15s'],
    [formatSeconds(3599.6), '1h 0m'],
    [formatSeconds(7290), '2h 1m'],
    [formatBytes(0), '0 B'],
    [formatBytes(1023), '1023 B'],
    [formatBytes(1536), '1.50 KiB'],
    [formatBytes(2.6 * 2 ** 30), '2.60 GiB'],
    [formatNumber(undefined), '-'],
    [formatNumber(0), '0'],
    [formatNumber(0.0123456), '0.0123'],
    [formatNumber(-12.345), '-12.3'],
    [formatNumber(123456), '123000'],
    [formatNumber(0.0000123), '1.23e-5'],
    [formatNumber(4.56e7), '4.56e+7'],
  ])('%s is %s', (actual, expected) => {
    expect(actual).toBe(expected);
  });

  it('a table has numbers on the right and text on the left', () => {
    const lines = formatTable(
      ['a', 'n', 'text'],
      [
        ['x', '1', 'one'],
        ['y', '100', 'hundred'],
      ],
    ).split('\n');
    expect(lines[3]).toBe('│ x │   1 │ one     │');
    expect(lines[5]).toBe('│ y │ 100 │ hundred │');
  });
});

describe('encodeGrid', () => {
  it('puts exactly these pixels between gaps of two', () => {
    const row = (...values: number[]) => ({
      values: Float32Array.from(values),
      shape: [2, 1, 1, 2] as [number, number, number, number],
    });
    // Two images of 1 x 2 in a row, two rows; -1 is black, 1 is white, beyond is clamped.
    const rows = [row(-1, 1, 0, -0.5), row(3, -3, 0.5, 1)];
    const { width, height, channels, data } = decode(encodeGrid(rows, 1));
    expect({ width, height, channels }).toEqual({ width: 10, height: 8, channels: 1 });
    const expected = new Uint8Array(80).fill(96);
    const put = (y: number, x: number, value: number) => {
      expected[y * 10 + x] = value;
    };
    for (const [x, value] of [
      [2, 0],
      [3, 255],
      [6, 128],
      [7, 64],
    ] as const)
      put(2, x, value);
    for (const [x, value] of [
      [2, 255],
      [3, 0],
      [6, 191],
      [7, 255],
    ] as const)
      put(5, x, value);
    expect(Uint8Array.from(data)).toEqual(expected);
  });

  it('interleaves the channels of colour and enlarges pixels', () => {
    const values = Float32Array.of(-1, 1, 0, -1, 1, 0); // red, green, blue of two pixels
    const { width, height, channels, data } = decode(
      encodeGrid([{ values, shape: [1, 3, 1, 2] }], 2),
    );
    expect({ width, height, channels }).toEqual({ width: 8, height: 6, channels: 3 });
    const pixel = (y: number, x: number) => [...data.slice((y * 8 + x) * 3, (y * 8 + x) * 3 + 3)];
    for (const y of [2, 3]) {
      for (const x of [2, 3]) expect(pixel(y, x)).toEqual([0, 128, 255]);
      for (const x of [4, 5]) expect(pixel(y, x)).toEqual([255, 0, 128]);
    }
    expect(pixel(1, 2)).toEqual([96, 96, 96]);
    expect(pixel(4, 2)).toEqual([96, 96, 96]);
  });

  it('leaves room where a row is shorter, and no gap where none is wanted', () => {
    const row = (count: number) => ({
      values: new Float32Array(count).fill(1),
      shape: [count, 1, 1, 1] as [number, number, number, number],
    });
    const { data } = decode(encodeGrid([row(2), row(1)], 1, 1));
    const [o, _] = [255, 96];
    const expected = [_, _, _, _, _, _, o, _, o, _, _, _, _, _, _, _, o, _, _, _, _, _, _, _, _];
    expect([...data]).toEqual(expected);
    expect([...decode(encodeGrid([row(1)], 2, 0)).data]).toEqual([o, o, o, o]);
  });

  it('refuses latents', () => {
    const latents = { values: new Float32Array(4), shape: [1, 4, 1, 1] as [1, 4, 1, 1] };
    expect(() => encodeGrid([latents], 1)).toThrow(ArgumentError);
  });
});

describe('the work folder', () => {
  const plan = { name: 'a/b "ü"', rows: 4, columns: 4, groups: 2, k: 3, d: 2, subvectors: 4 };
  let count = 0;
  const fresh = () => join(folder, `work-${count++}`);

  it('gives back what was finished, bit for bit', async () => {
    const values = fc.float32Array({
      minLength: 12,
      maxLength: 12,
      noNaN: true,
      noDefaultInfinity: true,
    });
    const codes = fc.uint8Array({ minLength: 8, maxLength: 8, max: 2 });
    await fc.assert(
      fc.asyncProperty(values, codes, async (codebook, some) => {
        const work = await WorkFolder.open(fresh(), { seed: 1 });
        expect(await work.hasLayer(plan)).toBe(false);
        expect(await work.readLayer(plan)).toBeUndefined();
        const weight = new VqWeight({ ...plan, codebook, codes: Uint16Array.from(some) });
        await work.writeLayer(weight);
        expect(await work.hasLayer(plan)).toBe(true);
        expect(await work.readLayer(plan)).toEqual(weight);
      }),
      { numRuns: 20 },
    );
  });

  it('gives back the state of a calibration, soft, partly decided and hard', async () => {
    const work = await WorkFolder.open(fresh(), {});
    expect(await work.readCalibration()).toBeUndefined();
    const parameter = (...values: number[]) => ({
      value: Float32Array.from(values),
      square: Float32Array.from(values, (value) => value ** 2),
    });
    const soft = { codebook: parameter(1, 2), bias: parameter(3), logits: parameter(4, 5) };
    const layers = new Map<string, LayerState>([
      ['blocks.0.attn.qkv', soft],
      ['blocks.0.attn.proj', { ...soft, frozen: Float32Array.of(0, 1) }],
      ['x/y', { codebook: parameter(6), bias: parameter(7), choice: Int32Array.of(1, 0) }],
    ]);
    const state = { trajectories: 3, layers };
    for (const backends of [['x'], ['x', 'y-z', 'x']]) {
      await work.writeCalibration({ state, backends });
      expect(await work.readCalibration()).toEqual({ state, backends });
    }
  });

  it('belongs to one job, and is not kept for nothing', async () => {
    const path = fresh();
    const work = await WorkFolder.open(path, { seed: 1 });
    await expect(WorkFolder.open(path, { seed: 2 })).rejects.toThrow(ArgumentError);
    const again = await WorkFolder.open(path, { seed: 1 });
    expect(again.path).toBe(path);
    await work.removeIfUseless();
    expect(await readdir(folder)).not.toContain(path.slice(folder.length + 1));
    await writeFile(join(folder, 'file'), '');
    await expect(WorkFolder.open(join(folder, 'file', 'w'), {})).rejects.toThrow(OutputError);
  });
});

describe('outputs', () => {
  it('are checked without a trace', async () => {
    const at = (name: string) => join(folder, 'outputs', name);
    await mkdir(at(''), { recursive: true });
    await writeFile(at('model.safetensors'), 'x');
    await checkOutputFile(at('new.png'), [at('model.safetensors')]);
    await checkOutputFolder(at('new/deeper'), ['a'], [at('model.safetensors')]);
    await expect(checkOutputFile(at('none/new.png'), [])).rejects.toThrow(OutputError);
    await expect(checkOutputFile(at('new'), [])).rejects.toThrow(/folder of that name/);
    await expect(checkOutputFolder(at(''), ['new'], [])).rejects.toThrow(/"model\.safetensors"/);
    const inputs = [at('model.safetensors')];
    for (const path of [at('model.safetensors'), at(''), `${at('new/../model.safetensors')}`]) {
      await expect(checkNoInput(path, inputs), path).rejects.toThrow(/would destroy it/);
    }
    expect((await readdir(at(''))).sort()).toEqual(['model.safetensors', 'new']);
    expect(await readFile(at('model.safetensors'), 'utf8')).toBe('x');
  });

  it('loses what a killed program left beside it, and nothing else', async () => {
    const at = (name: string) => join(folder, 'killed', name);
    const { pid } = spawnSync(process.execPath, ['--version']); // one that has ended
    const stay = [`.out.tmp-${process.pid}-ab`, '.out.tmp-x-ab', `.other.tmp-${pid}-ab`, 'out'];
    for (const name of [`.out.tmp-${pid}-0a1b`, ...stay]) {
      await mkdir(at(name), { recursive: true });
      await writeFile(join(at(name), 'codes'), 'x');
    }
    await removeLeftovers(at('out'));
    expect((await readdir(at(''))).sort()).toEqual([...stay].sort());
  });
});
