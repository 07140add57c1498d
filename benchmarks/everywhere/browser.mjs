import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { chromium } from 'playwright-core';
import { runnerImport } from 'vite';

/** For figures of memory: collections on demand, and sizes that are not rounded. */
const MEMORY = ['--js-flags=--expose-gc', '--enable-precise-memory-info'];
const ISOLATED = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** Backends that run in the browser only. */
export const BROWSER = ['gpujs-webgl2', 'tfjs-webgl', 'wasm-browser'];

/**
 * Chromium with a page that has the backends: `run` calls a function on a page of its own, so that no
 * call leaves anything to the next, and `open` gives a page that stays.
 */
export async function openBrowser() {
  const { findChromium, servePage, webglArgs } = await testHelpers();
  const executablePath = findChromium('backends of the browser');
  if (!executablePath) return undefined;
  const server = await servePage({
    packageName: 'backend-tfjs',
    script: '/benchmarks/everywhere/page.mjs',
    headers: { isolated: ISOLATED },
    include: ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-webgl'],
  });
  const browser = await chromium.launch({ executablePath, args: [...webglArgs(), ...MEMORY] });
  return {
    version: browser.version(),
    async open(id) {
      const page = await newPage();
      const info = await page.evaluate((backend) => globalThis.open(backend), id);
      return {
        ...info,
        call: (module, name, args) =>
          page.evaluate((all) => globalThis.call(...all), [module, name, args]),
      };
    },
    async run(id, module, name, args) {
      const page = await newPage();
      const ticker = setInterval(() => void tell(page), 10_000);
      try {
        return await page.evaluate((all) => globalThis.run(...all), [id, module, name, args]);
      } finally {
        clearInterval(ticker);
        await page.close();
      }
    },
    async close() {
      await browser.close();
      await server.close();
    },
  };

  async function newPage() {
    const page = await browser.newPage();
    page.on('pageerror', (error) => console.error(`page: ${error}`));
    await page.goto(server.url(['isolated']));
    await page.waitForFunction(() => 'run' in globalThis, undefined, { timeout: 60_000 });
    const gpuJs = findGpuJs();
    if (gpuJs) await page.addScriptTag({ path: join(gpuJs, 'dist', 'gpu-browser.js') });
    return page;
  }
}

async function tell(page) {
  const line = await page.evaluate(() => globalThis.progress).catch(() => undefined);
  if (line) process.stderr.write(`${line}\n`);
}

/** The helpers of the tests are TypeScript, which not every Node runs. */
async function testHelpers() {
  const load = async (name) =>
    (await runnerImport(new URL(`../../tools/browser/${name}`, import.meta.url).pathname)).module;
  return { ...(await load('chromium.ts')), ...(await load('serve.ts')) };
}

function findGpuJs() {
  const place = new URL('../../.native/gpujs/package.json', import.meta.url);
  try {
    return dirname(createRequire(place).resolve('gpu.js/package.json'));
  } catch {
    return undefined;
  }
}
