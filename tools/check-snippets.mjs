// Type-checks every TypeScript example in the project's Markdown files against the sources, so that
// documentation cannot go stale unnoticed. A block opened with "```ts ignore" is not checked.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { markdown, markdownFiles, root } from './lib.mjs';

// Inside the workspace, so that package names resolve; ignored by git.
const folder = join(root, 'out', 'snippets');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

const origin = new Map();
for (const file of markdownFiles()) {
  for (const { type, info, content, map } of markdown.parse(
    readFileSync(join(root, file), 'utf8'),
    {},
  )) {
    if (type !== 'fence' || info.trim() !== 'ts') continue;
    const name = `snippet-${origin.size}.ts`;
    // Fill up to the line it has in its file, so that errors name that line.
    writeFileSync(join(folder, name), `${'\n'.repeat(map[0] + 1)}${content}\nexport {};\n`);
    origin.set(name, file);
  }
}
const config = {
  extends: '../../tsconfig.base.json',
  compilerOptions: { noEmit: true, noUnusedLocals: false },
  include: ['*.ts'],
};
writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
// NodeNext takes the module kind from here.
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');

const tsc = fileURLToPath(import.meta.resolve('typescript/bin/tsc'));
const args = [tsc, '-p', join(folder, 'tsconfig.json'), '--pretty', 'false'];
const { status, stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
process.stderr.write(stdout.replace(/snippet-\d+\.ts/g, (name) => origin.get(name) ?? name));
if (status !== 0) process.exit(1);
console.log(`Examples: ${origin.size} in Markdown files, all of the right types.`);
