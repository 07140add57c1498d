import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT, run, temporaryFolder } from './support/workspace.ts';

/**
 * The kit as it is published, in a folder of somebody else: packed packages, a backend in plain
 * JavaScript, and no workspace around it. Libraries of others are linked; nothing is downloaded.
 */
const folder = temporaryFolder();
const modules = join(folder.path, 'node_modules');
const kit = (...args: string[]) =>
  run(folder.path, process.execPath, [
    join(modules, '@vq4dit', 'conformance', 'bin', 'vq4dit-conformance.js'),
    ...args,
  ]);

/** Unpacks what `npm publish` would upload. */
function install(name: string): void {
  const source = join(ROOT, 'packages', name);
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const packed = run(source, npm, [
    ...['pack', '--json', '--ignore-scripts', '--pack-destination', folder.path],
  ]);
  expect(packed.code, packed.output).toBe(0);
  const [{ filename }] = JSON.parse(packed.output.slice(packed.output.indexOf('['))) as [
    { filename: string },
  ];
  const target = join(modules, '@vq4dit', name);
  mkdirSync(target, { recursive: true });
  const untarred = run(folder.path, 'tar', [
    ...['-xzf', filename, '--strip-components=1', '-C', target],
  ]);
  expect(untarred.code, untarred.output).toBe(0);
}

/** The template as somebody would write it outside: JavaScript, and a name of its own. */
function writeBackend(to: string): void {
  const source = join(ROOT, 'tools', 'generators', 'backend', 'template', 'src');
  mkdirSync(to);
  for (const name of ['index', 'backend', 'kernels', 'memory', 'movement']) {
    const { outputText } = ts.transpileModule(readFileSync(join(source, `${name}.ts`), 'utf8'), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
        rewriteRelativeImportExtensions: true,
      },
    });
    writeFileSync(join(to, `${name}.js`), outputText);
  }
}

describe('the published kit', () => {
  beforeAll(() => {
    mkdirSync(join(modules, '@vq4dit'), { recursive: true });
    for (const name of ['core', 'conformance']) install(name);
    for (const name of ['commander', 'csv-stringify', 'fast-check', 'pure-rand']) {
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
    }
    writeFileSync(join(folder.path, 'package.json'), '{ "type": "module", "private": true }');
    writeBackend(join(folder.path, 'mine'));
    const text = readFileSync(join(folder.path, 'mine', 'kernels.js'), 'utf8');
    cpSync(join(folder.path, 'mine'), join(folder.path, 'broken'), { recursive: true });
    const wrong = text.replace('value < least', 'value <= least');
    expect(wrong).not.toBe(text);
    writeFileSync(join(folder.path, 'broken', 'kernels.js'), wrong);
  });
  afterAll(() => folder.remove());

  it('passes a backend that is right, by its module alone', () => {
    const { code, output } = kit('test', '-b', './mine/index.js');
    expect(code, output).toBe(0);
    expect(output).toMatch(/^my-device \(f32, .*\): \d{4} passed, .* 0 unsupported, 0 failed\n$/);
  });

  it('finds what is wrong, with a command that repeats it', () => {
    const { code, output } = kit('test', '-b', './broken/index.js', '-o', 'argmin');
    expect(code).toBe(1);
    const replay = /replay: npx vq4dit-conformance (test .* -p '\^ties\$' .*)/.exec(output)![1]!;
    const again = kit(...replay.replaceAll("'", '').split(' '));
    expect(again.code).toBe(1);
    expect(again.output).toMatch(/FAILED +argmin\(ties\)/);
  });

  it('finds a package by its name, as it is installed beside the kit', () => {
    symlinkSync(join(folder.path, 'mine'), join(modules, 'mine'));
    const manifest = { name: 'mine', type: 'module', exports: './index.js' };
    writeFileSync(join(folder.path, 'mine', 'package.json'), JSON.stringify(manifest));
    const { code, output } = kit('support', '-b', 'mine#createMyDeviceBackend', '-o', 'linear');
    expect(code, output).toBe(0);
    expect(output).toContain('composed');
  });
});
