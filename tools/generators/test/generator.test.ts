import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copyWorkspace, ROOT, run, succeed, temporaryFolder } from './support/workspace.ts';

const folder = temporaryFolder();
const made = join(folder.path, 'packages', 'backend-tin-can');
const nx = join(ROOT, 'node_modules', '.bin', 'nx');
const generate = (name: string) =>
  run(folder.path, nx, ['g', '@vq4dit/generators:backend', '--name', name, '--no-interactive']);

/** Every file below a folder, by its path from there. */
const files = (at: string) =>
  readdirSync(at, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name).slice(at.length + 1))
    .sort();

describe('nx g backend', () => {
  let before: string[];

  beforeAll(() => {
    copyWorkspace(folder.path);
    before = files(join(folder.path, 'docs'));
    const outcome = generate('tin-can');
    expect(outcome.code, outcome.output).toBe(0);
    expect(outcome.output).toContain('cd packages/backend-tin-can && npx vitest run');
  });
  afterAll(() => folder.remove());

  it('makes a package, its page, and one line in the index', () => {
    expect(files(made)).toEqual([
      'README.md',
      'package.json',
      'src/backend.ts',
      'src/index.ts',
      'src/kernels.ts',
      'src/memory.ts',
      'src/movement.ts',
      'test/conformance.test.ts',
      'tsconfig.build.json',
      'tsconfig.json',
      'vitest.config.ts',
    ]);
    const docs = join(folder.path, 'docs');
    expect(files(docs)).toEqual([...before, 'backend-tin-can.md'].sort());
    const lines = readFileSync(join(docs, 'README.md'), 'utf8').split('\n');
    const old = readFileSync(join(ROOT, 'docs', 'README.md'), 'utf8').split('\n');
    const added = lines.filter((line) => !old.includes(line));
    expect(added).toEqual([expect.stringContaining('(backend-tin-can.md)')]);
    expect(lines).toHaveLength(old.length + 1);
    expect(readdirSync(join(folder.path, 'packages'))).toEqual(['backend-tin-can']);
  });

  it('leaves no name of the template behind', () => {
    for (const file of files(made)) {
      expect(readFileSync(join(made, file), 'utf8'), file).not.toMatch(/my-device|MyDevice/);
    }
    expect(readFileSync(join(made, 'src/index.ts'), 'utf8')).toContain('createTinCanBackend');
  });

  it('writes a test file of under ten lines', () => {
    const text = readFileSync(join(made, 'test/conformance.test.ts'), 'utf8');
    expect(text.trimEnd().split('\n').length).toBeLessThan(10);
  });

  it('the package type-checks, and passes the whole table', () => {
    succeed(made, 'tsc', '-p', 'tsconfig.json');
    const output = succeed(made, 'vitest', 'run');
    expect(output).toMatch(
      /tin-can \(f32, .*\): \d{4} passed, 0 expected .*, 0 unsupported, 0 fail/,
    );
  });

  it('is found by the command line, which knows nothing of it', () => {
    succeed(made, 'tsc', '-p', 'tsconfig.build.json');
    const module = join(made, 'dist', 'index.js');
    const cli = join(ROOT, 'packages', 'cli', 'bin', 'vq4dit.js');
    const doctor = run(folder.path, process.execPath, [
      cli,
      '--backend',
      module,
      'doctor',
      '--json',
    ]);
    expect(doctor.code, doctor.output).toBe(0);
    expect(doctor.output).toMatch(/"id": "tin-can",\s+"available": true/);
  });

  it('refuses a name that is taken, or none', () => {
    const taken = generate('tin-can');
    expect(taken.code).not.toBe(0);
    expect(taken.output).toContain('packages/backend-tin-can is there already');
    const wrong = generate('Tin Can');
    expect(wrong.code).not.toBe(0);
    expect(existsSync(join(folder.path, 'packages', 'backend-Tin Can'))).toBe(false);
  });
});
