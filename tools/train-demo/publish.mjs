#!/usr/bin/env node
// Makes a trained model the demo model of this repository:
//
//     npm run build && node tools/train-demo/publish.mjs out/train-demo/model/dit-fashion.safetensors
//
// publish.py writes the checkpoint and the recorded forward pass (PYTHON, default python3, with
// PyTorch); then come the picture and the manifest. Figures in the model card and in the docs are
// measured again by hand, with the commands that stand beside them.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const [model] = process.argv.slice(2);
if (!model) fail('Usage: node tools/train-demo/publish.mjs <model.safetensors>');
const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const data = at('../../packages/demo-model/data/');

run(process.env.PYTHON ?? 'python3', at('publish.py'), model);
const look = ['--per-label', '8', '--cfg', '1.5', '--steps', '50', '--scale', '2'];
const cli = at('../../packages/cli/bin/vq4dit.js');
run(
  process.execPath,
  cli,
  'sample',
  `${data}dit-fashion.pt`,
  ...look,
  '--out',
  `${data}samples.png`,
);

const manifest = {};
for (const file of readdirSync(data).sort()) {
  if (file === 'manifest.json') continue;
  const bytes = readFileSync(data + file);
  manifest[file] = {
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
}
writeFileSync(`${data}manifest.json`, `${JSON.stringify(manifest, null, 2)}\n`);

function run(program, ...args) {
  const { status, error } = spawnSync(program, args, { stdio: 'inherit' });
  if (status !== 0) fail(`${program} ${args[0]} failed${error ? `: ${error.message}` : ''}.`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
