import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fail, json, succeed } from './support/cli.ts';
import { temporaryFolder } from './support/models.ts';

interface Probe {
  readonly id: string;
  readonly available: boolean;
  readonly info?: { readonly device: string; readonly isGpu: boolean };
  readonly reason?: string;
}

interface Report {
  readonly defaultBackend: string;
  readonly backends: readonly Probe[];
}

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const IDS = ['wasm', 'tfjs-node', 'tfjs-wasm', 'tfjs-cpu', 'gpujs', 'tfjs-node-gpu', 'reference'];
/** These run wherever Node runs. */
const EVERYWHERE = ['wasm', 'tfjs-wasm', 'tfjs-cpu', 'reference'];

const byId = ({ backends }: Report, id: string): Probe => {
  const found = backends.find((probe) => probe.id === id);
  if (!found) throw new Error(`doctor does not list ${id}`);
  return found;
};
const isInstalled = (name: string) =>
  existsSync(join(ROOT, '.native', name, 'node_modules', '@tensorflow', name, 'package.json'));

describe('doctor', () => {
  it('tries every backend, and takes none by default that is of use on a GPU only', async () => {
    const report = await json<Report>(['doctor']);
    expect(new Set(report.backends.map(({ id }) => id))).toEqual(new Set(IDS));
    for (const id of EVERYWHERE) {
      expect(byId(report, id)).toMatchObject({ available: true, info: { isGpu: false } });
    }
    const cuda = byId(report, 'tfjs-node-gpu');
    expect(report.defaultBackend).toBe(cuda.info?.isGpu ? 'tfjs-node-gpu' : 'wasm');
    expect(byId(report, 'gpujs').reason).toMatch(
      /not installed; run "npm install gpu\.js|needs an X display/,
    );
  });

  it('judges each native library by itself, and is silent about the rest', async () => {
    const report = await json<Report>(['doctor']);
    for (const name of ['tfjs-node', 'tfjs-node-gpu']) {
      const { available, info, reason } = byId(report, name);
      expect(available, reason).toBe(isInstalled(name));
      if (available) expect(info?.device).toMatch(/native TensorFlow \d/);
      else expect(reason).toMatch(/ is not installed; run "npm install /);
    }
    const { stdout, stderr } = await succeed(['doctor']);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/(wasm|tfjs-node-gpu) \(default\) .* ready /);
  });

  it('tries one only', async () => {
    const { backends } = await json<Report>(['doctor', '--only', 'tfjs-cpu']);
    expect(backends).toMatchObject([{ id: 'tfjs-cpu', available: true }]);
    await fail(['doctor', '--only', 'nope'], /No backend is called "nope"; there are wasm, /);
  });
});

describe('--require-gpu', () => {
  const hasGpu = existsSync('/proc/driver/nvidia/version');

  it.skipIf(hasGpu)('gives the reason of every backend where there is no GPU', async () => {
    const reasons =
      /wasm: runs on .* tfjs-node: runs on the processor, never on a GPU; .* tfjs-cpu: runs on .* gpujs: .* not .*tfjs-node-gpu: (runs on .*CUDA finds no GPU.* not a GPU|.* is not installed)/;
    await fail(['doctor', '--require-gpu'], reasons);
  });

  it.skipIf(hasGpu)('fails with the package for GPUs on a processor', async () => {
    await fail(
      ['conformance', 'test', '-b', 'tfjs-node-gpu', '-o', 'gelu', '--require-gpu'],
      /tfjs-node-gpu: (runs on .*CUDA finds no GPU.*, which is not a GPU|.* is not installed)/,
    );
  });
});

/** The built packages as npm installs them for a user: no checkout around them, no `.native`. */
async function bareInstallation(): Promise<string> {
  const modules = join(await temporaryFolder(), 'node_modules');
  await mkdir(join(modules, '@vq4dit'), { recursive: true });
  const outside = await readdir(join(ROOT, 'node_modules'));
  for (const name of outside.filter((name) => name !== '@vq4dit' && !name.startsWith('.'))) {
    await symlink(join(ROOT, 'node_modules', name), join(modules, name));
  }
  for (const name of await readdir(join(ROOT, 'packages'))) {
    const [from, to] = [join(ROOT, 'packages', name), join(modules, '@vq4dit', name)];
    for (const part of ['package.json', 'dist', 'bin']) {
      if (existsSync(join(from, part))) {
        await cp(join(from, part), join(to, part), { recursive: true });
      }
    }
  }
  return join(modules, '@vq4dit', 'cli', 'bin', 'vq4dit.js');
}

describe('on a bare machine', () => {
  it('doctor gives the command that adds each missing backend', async () => {
    const program = await bareInstallation();
    const report = await json<Report>(['doctor'], { program });
    for (const id of EVERYWHERE) expect(byId(report, id).available).toBe(true);
    const missing = report.backends.filter(({ available }) => !available);
    expect(missing.map(({ id }) => id)).toEqual(['tfjs-node', 'gpujs', 'tfjs-node-gpu']);
    const commands = {
      'tfjs-node': '"npm install @tensorflow/tfjs-node@4.22.0"',
      'tfjs-node-gpu': '"npm install @tensorflow/tfjs-node-gpu@4.22.0"',
      gpujs: '"npm install gpu.js@^2.24 gl@^8.1"',
    };
    const noCuda = process.platform === 'darwin' && 'which macOS does not have; use tfjs-node';
    for (const [id, command] of Object.entries(commands)) {
      const { reason } = byId(report, id);
      expect(reason).toContain(id === 'tfjs-node-gpu' && noCuda ? noCuda : command);
      expect(reason).toMatch(/^\S+ is not installed; [^\n]*\.$/);
      expect(reason!.replaceAll(/"[^"]*"/g, '""')).not.toMatch(/\. [A-Z]/);
    }
    await fail(
      ['--backend', 'tfjs-node', 'doctor'],
      /tfjs-node: @tensorflow\/tfjs-node is not installed; run "npm install /,
      { program },
    );
  });
});
