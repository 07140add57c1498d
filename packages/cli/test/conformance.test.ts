import { describe, expect, it } from 'vitest';
import { fail, succeed } from './support/cli.ts';

const MODULE = new URL('../../backend-reference/dist/index.js', import.meta.url).pathname;
const NAMED = `${MODULE}#createReferenceBackend`;

describe('vq4dit conformance', () => {
  it('tests a backend by its id', async () => {
    const { stdout } = await succeed(['conformance', 'test', '-b', 'tfjs-cpu', '-o', 'argmin']);
    expect(stdout).toMatch(/^tfjs-cpu \(f32, .*\): \d+ passed, 0 expected failures/);
  });

  it('takes the options of the program, before the command and after it', async () => {
    for (const args of [
      ['--backend', NAMED, 'conformance', 'support', '--json', '-o', 'gelu'],
      ['conformance', 'support', '--backend', NAMED, '-o', 'gelu', '--output', 'json'],
    ]) {
      const { stdout } = await succeed(args);
      expect(JSON.parse(stdout)).toMatchObject([{ backend: 'reference', way: 'composed' }]);
    }
    await fail(
      ['--require-gpu', 'conformance', 'test', '-b', 'reference'],
      /reference: runs on .*, which is not a GPU/,
    );
  });

  it('names the known ids where there is none of that name', async () => {
    await fail(
      ['conformance', 'perf', '-b', 'cuda'],
      /No backend is called "cuda"; there are wasm, .*\.js#createMyBackend/,
    );
    await fail(['conformance', 'perf', '--seed', 'x'], /integer from 0/, { code: 2 });
  });
});

describe('a backend of somebody else', () => {
  it('is started by its module, and listed by doctor', async () => {
    const { stdout } = await succeed(['--backend', NAMED, 'doctor', '--json']);
    const probes = JSON.parse(stdout).backends as { id: string; available: boolean }[];
    expect(probes.find(({ id }) => id === NAMED)).toMatchObject({ available: true });
  });

  it('is refused in a sentence where it is not there', async () => {
    await fail(
      ['--backend', './nowhere.js', 'doctor'],
      /The module \.\/nowhere\.js could not be loaded/,
    );
  });
});
