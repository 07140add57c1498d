import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openModel } from '@vq4dit/checkpoint';
import { afterAll, describe, expect, it } from 'vitest';
import {
  entry,
  hostilePickle,
  rawSafetensors,
  withValue,
  writeBytes,
  writeChanged,
  zipBomb,
} from './support/broken.ts';
import { fail, succeed } from './support/cli.ts';
import { sameFolders, TINY, temporaryFolder, tiny, writeModel } from './support/models.ts';

const folder = await temporaryFolder();
const at = (name: string) => join(folder, name);
const outputs = at('outputs');
await mkdir(outputs);
const out = join(outputs, 'out');
const VQ = ['--method', 'vq'];
const config = at('dit.json');
await writeFile(config, JSON.stringify({ num_heads: 2 }));

/** Quantizing a model must fail with one sentence and leave nothing at all behind. */
async function refused(model: string, message: RegExp, more: readonly string[] = []) {
  await fail(['quantize', model, out, ...VQ, ...more], message);
  expect(await readdir(outputs)).toEqual([]);
}

describe('a safetensors file', () => {
  const model = (name: string, bytes: Uint8Array) => writeBytes(at(`${name}.safetensors`), bytes);

  it('that is truncated', async () => {
    const whole = await readFile(tiny('dit-tiny.safetensors'));
    for (const bytes of [whole.subarray(0, -1), whole.subarray(0, 100), whole.subarray(0, 5)]) {
      await refused(await model('truncated', bytes), /truncated\.safetensors: /);
    }
  });

  it('whose tensors overlap', async () => {
    const header = { a: entry([4], 0, 16), b: entry([4], 8, 24) };
    await refused(
      await model('overlap', rawSafetensors(header, 24)),
      /overlap\.safetensors: .*"b"/,
    );
  });

  it('with a negative offset', async () => {
    const header = { a: entry([4], -16, 0) };
    await refused(
      await model('negative', rawSafetensors(header, 16)),
      /negative\.safetensors: .*"-16"/,
    );
  });

  it('with a huge header', async () => {
    await refused(await model('huge', rawSafetensors('{}', 0, 1n << 40n)), /huge\.safetensors: /);
  });
});

describe('a pickle', () => {
  it('that calls os.system is not executed', async () => {
    const proof = at('executed');
    const file = await writeBytes(at('evil.pt'), hostilePickle(`touch ${proof}`));
    await refused(file, /evil\.pt: .*os.*system/);
    for (const command of [
      ['inspect', file],
      ['sample', file, '--out', at('evil.png')],
    ]) {
      await fail(command, /os.*system/);
    }
    expect(existsSync(proof)).toBe(false);
    expect(existsSync(at('evil.png'))).toBe(false);
  });

  it('that unpacks to far more than its file', async () => {
    const file = await writeBytes(at('bomb.pt'), zipBomb());
    await refused(file, /bomb\.pt: /);
  });

  it('that is cut off', async () => {
    const file = await writeBytes(at('cut.pt'), await readFile(TINY));
    await truncate(file, 100_000);
    await refused(file, /cut\.pt: /);
  });
});

describe('a model', () => {
  const changed = (name: string, change: Parameters<typeof writeChanged>[1]) =>
    writeChanged(at(`${name}.safetensors`), change);

  it('that lacks a tensor', async () => {
    const without = (name: string) =>
      changed('missing', (tensors) => tensors.filter((tensor) => tensor.name !== name));
    const name = 'blocks.1.mlp.fc2.weight';
    await refused(await without(name), /blocks\.1\.mlp\.fc2\.weight/, ['--config', config]);
  });

  it('with a tensor of another shape', async () => {
    const file = await changed('misshapen', (tensors) =>
      tensors.map((tensor) =>
        tensor.name === 'blocks.0.mlp.fc1.weight' ? { ...tensor, shape: [32, 32] } : tensor,
      ),
    );
    await refused(file, /blocks\.0\.mlp\.fc1\.weight/, ['--config', config]);
  });

  it('with NaN in the first matrix leaves nothing', async () => {
    const file = await changed('nan', withValue('blocks.0.attn.qkv.weight', Number.NaN));
    await fail(['quantize', file, out, ...VQ, '--config', config], /blocks\.0\.attn\.qkv.*NaN/, {
      notes: true,
    });
    expect(await readdir(outputs)).toEqual([]);
  });

  it('with infinity in a tensor that is not quantized', async () => {
    const name = 'final_layer.linear.bias';
    const file = await changed('infinite', withValue(name, Number.POSITIVE_INFINITY));
    await refused(file, /tensor final_layer\.linear\.bias holds Infinity at element 3/, [
      ...['--config', config],
    ]);
  });

  it('with NaN in a later matrix keeps what is finished, and only that', async () => {
    const place = join(outputs, 'later');
    const broken = await changed('later', withValue('blocks.1.attn.proj.weight', Number.NaN));
    await fail(
      ['quantize', broken, place, ...VQ, '--config', config],
      /blocks\.1\.attn\.proj.*NaN/,
      {
        notes: true,
      },
    );
    expect(await readdir(outputs)).toEqual(['later.work']);
    const names = await readdir(`${place}.work`);
    expect(names.filter((name) => !/^(job\.json|layer-\w+\.safetensors)$/.test(name))).toEqual([]);
    await rm(`${place}.work`, { recursive: true });
  });

  it('with fewer sub-vectors than codewords gets a quarter of them as codewords', async () => {
    const model = await writeModel(at('small'));
    const flags = ['--codewords', '65536', '--include', 'blocks.0.attn.*'];
    const { stderr } = await succeed(['quantize', model, at('clamped'), ...VQ, ...flags]);
    // 16 x 16 weights are 64 sub-vectors of 4, in q, k, v and in proj.
    expect(stderr).toContain(
      'Fewer than 65536 codewords, for lack of sub-vectors (their number in brackets): blocks.0.attn.qkv 16 (64), blocks.0.attn.proj 16 (64).',
    );
    const opened = await openModel(at('clamped'));
    await opened.close();
    expect(opened.quantizedLayers()).toMatchObject([{ k: 16 }, { k: 16 }]);
  });
});

describe('paths', () => {
  it.each([
    ['a file that is not there', at('no.pt'), /no\.pt: there is no such file or folder/],
    ['a folder without a model', outputs, /outputs: the folder holds no model/],
    ['something else', config, /dit\.json: /],
  ])('%s', async (_what, path, message) => {
    await refused(path, message);
  });

  it('a folder without a config', async () => {
    await mkdir(at('bare'), { recursive: true });
    await writeChanged(at('bare/model.safetensors'), (tensors) => tensors);
    await refused(at('bare'), /number of attention heads/);
    await refused(at('bare'), /none\.json: /, ['--config', at('none.json')]);
    await writeFile(at('broken.json'), '{');
    await refused(at('bare'), /broken\.json: this is not JSON/, ['--config', at('broken.json')]);
  });

  it('an output below a file, or in the place of one', async () => {
    await fail(
      ['quantize', TINY, join(config, 'out'), ...VQ],
      /a part of the path is not a folder/,
    );
    await fail(['quantize', TINY, config, ...VQ], /there is a file of that name/);
    expect(existsSync(`${config}.work`)).toBe(false);
    await fail(['demo', '--out', config], /a part of the path is not a folder/);
  });
});

describe('a disk that fills up', () => {
  const disk = at('disk');
  let mounted = false;
  afterAll(() => {
    if (mounted) execFileSync('umount', [disk]);
  });

  it('is one sentence, and the run goes on when there is room again', async (context) => {
    await mkdir(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=100k', 'tmpfs', disk], { stdio: 'pipe' });
      mounted = true;
    } catch {
      context.skip('a small disk can be mounted by root on Linux only');
    }
    const place = join(disk, 'out');
    await fail(['quantize', TINY, place, ...VQ], /the disk is full; free some space/, {
      notes: true,
    });
    expect(await readdir(disk)).toEqual(['out.work']);
    const names = await readdir(`${place}.work`);
    expect(names.filter((name) => name.includes('tmp'))).toEqual([]);
    const picture = await writeModel(at('picture'));
    await writeFile(join(disk, 'filler'), new Uint8Array(200_000)).catch(() => undefined);
    const png = ['sample', picture, '--out', join(disk, 'a.png'), '--steps', '1', '--scale', '40'];
    await fail(png, /a\.png could not be written: the disk is full/, { notes: true });
    expect((await readdir(disk)).sort()).toEqual(['filler', 'out.work']);
    execFileSync('mount', ['-o', 'remount,size=10m', disk]);
    await succeed(['quantize', TINY, place, ...VQ]);
    await succeed(['quantize', TINY, at('room'), ...VQ]);
    expect((await readdir(disk)).sort()).toEqual(['filler', 'out']);
    expect(await sameFolders(place, at('room'))).toBe(true);
  });

  it('is found by the result on stdout as well', async (context) => {
    if (!existsSync('/dev/full')) context.skip('this system has no /dev/full');
    const program = join(import.meta.dirname, '../bin/vq4dit.js');
    const shell = `"${process.execPath}" "${program}" inspect "${TINY}" > /dev/full`;
    let caught: unknown;
    try {
      execFileSync('sh', ['-c', shell], { stdio: 'pipe' });
    } catch (error) {
      caught = error;
    }
    expect(caught).toMatchObject({ status: 1 });
    expect(String((caught as { stderr: Buffer }).stderr)).toMatch(
      /^vq4dit: the result could not .*\.\n$/,
    );
  });

  it('special files are not replaced', async () => {
    await symlink('/dev/null', at('null.png'));
    const picture = await writeModel(at('special'));
    await fail(['sample', picture, '--out', at('null.png')], /it is a special file; choose/);
    expect(existsSync('/dev/null')).toBe(true);
  });
});
