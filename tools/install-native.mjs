// Installs a native package that a backend can use and that this workspace does not depend on:
//
//     node tools/install-native.mjs gpujs
//     node tools/install-native.mjs tfjs-node
//     node tools/install-native.mjs tfjs-node-gpu
//     node tools/install-native.mjs peers           (what benchmarks/backends compares with)
//
// Such packages have to be compiled, or fetch binaries from elsewhere, so they must not stand in the
// way of `npm ci`. They go to `.native/<name>` (ignored by git), at the versions of native/table.mjs.
// The backends and their tests find them there.
//
// The binding of TensorFlow is built against a library that is there already, one of
//
//     --libtensorflow DIR   a folder with include/ and lib/, as in archives of the C library
//     --python PROGRAM      the package tensorflow or tensorflow-cpu of an installed Python
//     --wheel FILE.whl      a wheel of that package, which is only unpacked
//     --wheel NAME[==X.Y.Z] a wheel that pip downloads; without any option tensorflow-cpu, and for
//                           tfjs-node-gpu where there is an NVIDIA driver tensorflow
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './lib.mjs';
import { fail, localHeaders, requireDebianPackages, runOrFail } from './native/common.mjs';
import { findLibtensorflow } from './native/libtensorflow.mjs';
import { TABLE } from './native/table.mjs';
import { buildTfjsBinding } from './native/tfjs-binding.mjs';

const { name, library } = parse();
const { packages, scripts, debian, check, display, binding } = TABLE[name];
const folder = join(root, '.native', name);
const wanted = Object.entries(packages).map(([id, version]) => `${id} ${version}`);
const started = Date.now();

requireDebianPackages(debian);
// First of all, so that a wrong option or a missing pip says so at once.
const libtensorflow = binding && findLibtensorflow(library, tensorflowNeeds());
installPackages();
if (binding) buildTfjsBinding(join(folder, 'node_modules', binding), libtensorflow);
runCheck();

function parse() {
  const options = Object.fromEntries(
    ['libtensorflow', 'python', 'wheel'].map((id) => [id, { type: 'string' }]),
  );
  try {
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    const [name] = positionals;
    const given = Object.keys(values).length;
    const known = positionals.length === 1 && Object.hasOwn(TABLE, name);
    if (known && given <= (TABLE[name].binding ? 1 : 0)) return { name, library: values };
  } catch (error) {
    console.error(error.message);
  }
  console.error(
    `Usage: node tools/install-native.mjs ${Object.keys(TABLE).join(' | ')}\n` +
      '  tfjs-node and tfjs-node-gpu take one of --libtensorflow DIR, --python PROGRAM, --wheel FILE or NAME==X.Y.Z',
  );
  process.exit(2);
}

function tensorflowNeeds() {
  return { gpu: name.endsWith('-gpu'), cache: join(root, '.native', 'libtensorflow') };
}

function installPackages() {
  mkdirSync(folder, { recursive: true });
  const manifest = {
    name: `vq4dit-native-${name}`,
    private: true,
    description: `Written by tools/install-native.mjs; delete the folder to remove what is in it.`,
    dependencies: packages,
    allowScripts: Object.fromEntries(scripts.map((script) => [script, true])),
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  const time = scripts.length > 0 ? ' A build takes some minutes.' : '';
  console.log(`Installing ${wanted.join(' and ')} into .native/${name}.${time}`);
  const args = ['install', '--no-audit', '--no-fund', '--no-package-lock'];
  args.push(scripts.length > 0 ? '--foreground-scripts' : '--ignore-scripts');
  const env = { ...process.env, ...localHeaders() };
  const complaint = `npm install failed in .native/${name}; its messages are above.`;
  runOrFail('npm', args, { cwd: folder, env }, complaint);
  for (const [id, version] of Object.entries(packages)) {
    const file = join(folder, 'node_modules', id, 'package.json');
    const found = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : 'none';
    // An optional dependency that does not build is left out by npm without an error.
    if (found !== version) fail(`${id} ${version} is not in .native/${name} (found: ${found}).`);
  }
}

function runCheck() {
  const virtual = display && process.platform === 'linux' && !process.env.DISPLAY;
  const program = [process.execPath, '-e', check];
  const [command, ...rest] = virtual ? ['xvfb-run', '-a', ...program] : program;
  const run = spawnSync(command, rest, { cwd: folder, stdio: 'inherit' });
  if (run.status !== 0) fail(`${wanted.join(' and ')} are installed but do not run; see above.`);
  const seconds = Math.round((Date.now() - started) / 1000);
  const how = virtual ? ' Runs under xvfb-run: no DISPLAY is set.' : '';
  console.log(`Installed in .native/${name} in ${seconds} s.${how}`);
}
