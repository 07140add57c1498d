// Proves that the linter holds the direction of imports between packages. The rules themselves are
// in biome.json; this runs them over a throw-away tree of one-line files, of which each must be
// refused or let pass as the table says. A rule that went missing would otherwise go unnoticed.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { biome, root } from './lib.mjs';

const known = readdirSync(join(root, 'packages'));

/** Which packages of the workspace a package may import. A new backend is one like all others. */
const allowed = {
  core: [],
  ...Object.fromEntries(known.filter((n) => n.startsWith('backend-')).map((n) => [n, ['core']])),
  conformance: ['core', 'backend-reference'],
  dit: ['core'],
  vae: ['core'],
  checkpoint: ['core', 'dit'],
  evaluation: ['core', 'dit', 'checkpoint'],
  report: ['core'],
  'demo-model': [],
};
const packages = [...Object.keys(allowed), 'cli'];
allowed.cli = packages.filter((name) => name !== 'cli');

const cases = [];
for (const from of packages) {
  for (const to of packages) {
    if (from === to) continue;
    const legal = allowed[from].includes(to);
    cases.push({ from, legal, line: `import { a } from '@vq4dit/${to}';` });
    if (legal) continue;
    cases.push({ from, legal, line: `import type { a } from '@vq4dit/${to}';` });
    cases.push({ from, legal, line: `export * from '@vq4dit/${to}';` });
    cases.push({ from, legal, line: `export const a = await import('@vq4dit/${to}/deep');` });
  }
  cases.push({ from, legal: true, line: "export { a } from './a.ts';" });
  cases.push({ from, legal: true, line: "export { a } from '../nested/a.ts';" });
  cases.push({ from, legal: false, line: "export { a } from '../../other/src/index.ts';" });
  cases.push({ from, legal: false, line: "export { a } from 'not-in-package-json';" });
}
cases.push({ from: 'core', legal: false, line: "export { readFile } from 'node:fs/promises';" });
cases.push({ from: 'core', legal: false, line: "export { readFile } from 'fs';" });
cases.push({ from: 'checkpoint', legal: true, line: "export { open } from 'node:fs/promises';" });

const unlisted = known.filter((name) => !packages.includes(name));
if (unlisted.length > 0) {
  console.error(`packages without an import rule: ${unlisted.join(', ')}; see biome.json.`);
  process.exit(1);
}

const tree = mkdtempSync(join(tmpdir(), 'import-direction-'));
try {
  for (const file of ['biome.json', '.gitignore']) cpSync(join(root, file), join(tree, file));
  const expected = new Map();
  cases.forEach(({ from, legal, line }, i) => {
    const file = `packages/${from}/src/folder/case-${i}.ts`;
    mkdirSync(join(tree, dirname(file)), { recursive: true });
    writeFileSync(join(tree, file), `${line}\n`);
    expected.set(file, { legal, line });
  });
  for (const name of packages) {
    // Every package declares every other one, so that what is refused is refused for its direction.
    const dependencies = Object.fromEntries(packages.map((other) => [`@vq4dit/${other}`, '*']));
    const manifest = JSON.stringify({ name: `@vq4dit/${name}`, dependencies });
    writeFileSync(join(tree, 'packages', name, 'package.json'), manifest);
  }

  const refused = new Set();
  for (const { category, location } of lint(tree)) {
    if (!/noRestrictedImports|noNodejsModules|noUndeclaredDependencies/.test(category)) continue;
    refused.add(location.path.replace(/^.*?packages\//, 'packages/'));
  }
  const wrong = [...expected].filter(([file, { legal }]) => refused.has(file) === legal);
  for (const [file, { legal, line }] of wrong.slice(0, 20)) {
    console.error(`${file}: "${line}" should be ${legal ? 'allowed' : 'refused'} and is not.`);
  }
  if (wrong.length > 20) console.error(`... and ${wrong.length - 20} more.`);
  if (wrong.length > 0) process.exitCode = 1;
  else console.log(`Import direction: ${cases.length} cases decided as the table says.`);
} finally {
  rmSync(tree, { recursive: true, force: true });
}

function lint(directory) {
  const args = [biome, 'lint', '--reporter=json', '--max-diagnostics=none', '.'];
  // Findings make the linter exit with 1; its report is on standard output all the same.
  const run = spawnSync(process.execPath, args, { cwd: directory, encoding: 'utf8' });
  if (!run.stdout) throw new Error(`The linter did not run.\n${run.stderr}`);
  return JSON.parse(run.stdout).diagnostics;
}
