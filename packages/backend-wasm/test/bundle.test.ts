import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);

/** One minified file of everything, as an application would ship it, run by Node itself. */
describe('a bundle', () => {
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vq4dit-bundle-'));
    await build({
      configFile: false,
      logLevel: 'error',
      root: fileURLToPath(new URL('..', import.meta.url)),
      resolve: { conditions: ['@vq4dit/source'] },
      build: {
        outDir: folder,
        minify: true,
        target: 'es2022',
        lib: { entry: 'src/index.ts', formats: ['es'], fileName: () => 'bundle.mjs' },
        rolldownOptions: { output: { codeSplitting: false } },
      },
    });
  }, 60_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function script(text: string, nodeOptions: string[] = []): Promise<string> {
    const path = join(folder, 'main.mjs');
    writeFileSync(path, `import { createWasmBackend } from './bundle.mjs';\n${text}`);
    // Runs into the limit if the process does not end by itself.
    const { stdout } = await run(process.execPath, [...nodeOptions, path], { timeout: 20_000 });
    return stdout.trim();
  }

  const compute = `
    const backend = await createWasmBackend({ threads: 3 });
    const { engine } = backend;
    const out = engine.allocate(4000);
    engine.int32(out, 1000).fill(0);
    engine.run('testMark', [out, 5, 100], 1000);
    console.log([engine.threads, engine.int32(out, 1000).reduce((a, b) => a + b, 0)].join(' '));
  `;

  it('computes with threads', async () => {
    expect(await script(`${compute} await backend.close();`)).toBe(`3 ${5 * 1000 + 499500}`);
  });

  it('lets the process end by itself, idle threads or not', async () => {
    expect(await script(compute)).toBe(`3 ${5 * 1000 + 499500}`);
  });

  it('lets the process end with its exit code', async () => {
    await expect(script(`${compute} process.exitCode = 7;`)).rejects.toMatchObject({ code: 7 });
    await expect(script(`${compute} throw new Error('enough');`)).rejects.toMatchObject({
      code: 1,
    });
  });

  it('runs on one thread where Node may start no workers, and says why', async () => {
    const [major] = process.versions.node.split('.').map(Number);
    const permission = major! >= 23 ? '--permission' : '--experimental-permission';
    const text = `
      const backend = await createWasmBackend({ threads: 2 });
      console.log(backend.info().device);
      await backend.close();
    `;
    const device = await script(text, ['--no-warnings', permission, '--allow-fs-read=*']);
    expect(device).toMatch(/1 thread .*workers do not start/);
  });
});
