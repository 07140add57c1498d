// Installs a native package that a backend can use and that this workspace does not depend on:
//
//     node tools/install-native.mjs gpujs
//
// Such packages have to be compiled, or fetch binaries from elsewhere, so they must not stand in the
// way of `npm ci`. They go to `.native/<name>` (ignored by git), at the versions of the table below.
// Tests of the backend find them there.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './lib.mjs';

/**
 * packages: name to exact version. scripts: packages whose install scripts must run. debian: what a
 * build from source needs besides a compiler and Python. check: a program that exits with 0 if the
 * package works; display: whether that program needs an X display.
 */
const TABLE = {
  gpujs: {
    packages: { 'gpu.js': '2.24.1', gl: '8.1.6' },
    scripts: ['gl'],
    debian: ['build-essential', 'python3', 'pkg-config', 'libxi-dev', 'libglu1-mesa-dev'].concat([
      'libglew-dev',
      'xvfb',
      'xauth',
      'libgl1-mesa-dri',
    ]),
    display: true,
    check: `
      const { GPU } = require('gpu.js');
      const gpu = new GPU({ mode: 'headlessgl' });
      const kernel = gpu.createKernel('function (x) { return 2 * x; }', { output: [1] });
      if (kernel(21)[0] !== 42) throw new Error('a kernel computes wrongly');
      console.log('gpu.js runs as ' + gpu.Kernel.name + '.');`,
  },
};

const name = process.argv[2];
if (process.argv.length !== 3 || !Object.hasOwn(TABLE, name)) {
  console.error(`Usage: node tools/install-native.mjs ${Object.keys(TABLE).join(' | ')}`);
  process.exit(2);
}
const { packages, scripts, debian, check, display } = TABLE[name];
const folder = join(root, '.native', name);

requireDebianPackages(debian);
mkdirSync(folder, { recursive: true });
writeFileSync(
  join(folder, 'package.json'),
  `${JSON.stringify(
    {
      name: `vq4dit-native-${name}`,
      private: true,
      description: `Written by tools/install-native.mjs; delete the folder to remove what is in it.`,
      dependencies: packages,
      allowScripts: Object.fromEntries(scripts.map((script) => [script, true])),
    },
    null,
    2,
  )}\n`,
);

const wanted = Object.entries(packages).map(([id, version]) => `${id} ${version}`);
console.log(`Installing ${wanted.join(' and ')} into .native/${name}. A build takes some minutes.`);
const args = ['install', '--no-audit', '--no-fund', '--no-package-lock', '--foreground-scripts'];
const install = spawnSync('npm', args, {
  cwd: folder,
  env: { ...process.env, ...localHeaders() },
  stdio: 'inherit',
  shell: process.platform === 'win32',
});
if (install.status !== 0) fail(`npm install failed in .native/${name}; its messages are above.`);
for (const [id, version] of Object.entries(packages)) {
  const manifest = join(folder, 'node_modules', id, 'package.json');
  const found = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')).version : 'none';
  // An optional dependency that does not build is left out by npm without an error.
  if (found !== version) fail(`${id} ${version} is not in .native/${name} (found: ${found}).`);
}

const virtual = display && process.platform === 'linux' && !process.env.DISPLAY;
const program = [process.execPath, '-e', check];
const [command, ...rest] = virtual ? ['xvfb-run', '-a', ...program] : program;
const run = spawnSync(command, rest, { cwd: folder, stdio: 'inherit' });
if (run.status !== 0) fail(`${wanted.join(' and ')} are installed but do not run; see above.`);
console.log(
  `Installed in .native/${name}.${virtual ? ' Runs under xvfb-run: no DISPLAY is set.' : ''}`,
);

/** Where dpkg knows them all, npm's build does not fail after minutes for want of a header. */
function requireDebianPackages(needed) {
  const query = spawnSync(
    'dpkg-query',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query fills these in.
    ['-W', '-f', '${Package} ${db:Status-Status}\n', ...needed],
    {
      encoding: 'utf8',
    },
  );
  if (query.error) return;
  const installed = query.stdout.split('\n').filter((line) => line.endsWith(' installed'));
  const missing = needed.filter((id) => !installed.includes(`${id} installed`));
  if (missing.length === 0) return;
  fail(
    `Missing Debian packages: ${missing.join(', ')}. Install them with\n` +
      `  apt-get install --no-install-recommends ${missing.join(' ')}`,
  );
}

/** node-gyp downloads headers of Node unless it is told where they are. */
function localHeaders() {
  const prefix = dirname(dirname(process.execPath));
  const header = join(prefix, 'include', 'node', 'node_version.h');
  if (process.env.npm_config_nodedir || !existsSync(header)) return {};
  const part = (key) =>
    readFileSync(header, 'utf8').match(`#define NODE_${key}_VERSION (\\d+)`)?.[1];
  const version = ['MAJOR', 'MINOR', 'PATCH'].map(part).join('.');
  return version === process.versions.node ? { npm_config_nodedir: prefix } : {};
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
