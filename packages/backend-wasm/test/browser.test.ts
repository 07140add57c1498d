import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createWasmBackend } from '../src/index.ts';
import { findChromium } from './browser/chromium.ts';
import type { functions } from './browser/page.ts';
import { type PageServer, servePage } from './browser/serve.ts';
import { checksumsOf } from './support/bits.ts';
import { allowRelaxedSimd } from './support/relaxed.ts';

allowRelaxedSimd();
const executablePath = findChromium();

describe.skipIf(executablePath === undefined)('in Chromium', () => {
  let browser: Browser;
  let server: PageServer;

  beforeAll(async () => {
    server = await servePage();
    // Tests may run as root in a container, where the sandbox does not start.
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] });
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Calls one of the functions of browser/page.ts on a fresh page. */
  async function call<Name extends keyof typeof functions>(
    headers: Parameters<PageServer['url']>[0],
    name: Name,
    ...args: Parameters<(typeof functions)[Name]>
  ): Promise<Awaited<ReturnType<(typeof functions)[Name]>>> {
    const page: Page = await browser.newPage();
    try {
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(String(error)));
      await page.goto(server.url(headers));
      await page
        .waitForFunction(() => 'vq4dit' in globalThis, undefined, { timeout: 30_000 })
        .catch((error: unknown) => {
          throw new Error(`the page did not load: ${problems.join('; ')}`, { cause: error });
        });
      const result = await page.evaluate(
        ([name, args]) => {
          const page = globalThis as unknown as {
            vq4dit: Record<string, (...a: unknown[]) => unknown>;
          };
          return page.vq4dit[name as string]!(...(args as unknown[]));
        },
        [name, args] as unknown[],
      );
      return result as Awaited<ReturnType<(typeof functions)[Name]>>;
    } finally {
      await page.close();
    }
  }

  const seed = Number(process.env.VQ4DIT_TEST_SEED ?? 20240817);

  it('passes the conformance table with threads, where the page is cross-origin isolated', async () => {
    const report = await call(['isolated'], 'conformance', { threads: 2 }, { seed, numRuns: 5 });
    console.info(report.device, report.counts);
    expect(report.device).toContain('2 threads');
    expect(report).toMatchObject({ bad: [], problems: [] });
  }, 120_000);

  it('passes the conformance table on one thread, where it is not', async () => {
    const report = await call([], 'conformance', { threads: 2 }, { seed, numRuns: 5 });
    console.info(report.device, report.counts);
    expect(report.device).toMatch(/1 thread .*not cross-origin isolated/);
    expect(report).toMatchObject({ bad: [], problems: [] });
  }, 120_000);

  it('passes the conformance table without relaxed SIMD', async () => {
    const options = { threads: 1, relaxed: false };
    const report = await call([], 'conformance', options, { seed, numRuns: 5 });
    expect(report.device).toContain('simd128');
    expect(report).toMatchObject({ bad: [], problems: [] });
  }, 120_000);

  it.each([
    ['simd128', false],
    ['relaxed SIMD', true],
  ])('computes the same bits as Node, with %s', async (_, relaxed) => {
    const backend = await createWasmBackend({ threads: 1, relaxed });
    expect(backend.engine.relaxed).toBe(relaxed);
    const expected = await checksumsOf(backend, 4);
    await backend.close();
    expect(Object.keys(expected).length).toBeGreaterThan(30);
    expect(await call(['isolated'], 'checksums', { threads: 2, relaxed }, 4)).toEqual(expected);
  });

  it('has as many threads as the machine by default', async () => {
    const info = await call(['isolated'], 'start', {});
    expect(info).toMatchObject({
      device: expect.stringMatching(/CPU with (\d+) logical cores.*, \1 thread/),
    });
  });

  it('runs on one thread where the site forbids workers, and says why', async () => {
    const info = await call(['isolated', 'noWorkers'], 'start', { threads: 2 });
    expect(info).toMatchObject({
      device: expect.stringMatching(/1 thread .*workers do not start.*content security policy/),
    });
  });

  it('is not available where the site forbids WebAssembly, and says why', async () => {
    const info = await call(['noWebAssembly'], 'start', { threads: 1 });
    expect(info).toMatchObject({
      error: expect.stringMatching(/BackendUnavailableError.*Content Security Policy/i),
    });
  });

  it('is not available without SIMD, and says so', async () => {
    const features = { simd: false, relaxed: false, threads: true } as const;
    const info = await call(['isolated'], 'start', { features });
    expect(info).toMatchObject({
      error: expect.stringMatching(/BackendUnavailableError.*simd128/),
    });
  });

  it.each([
    ['traps', 0, /DeviceLostError: Worker thread 1 .*testFail.*unreachable/],
    ['never ends', 1, /DeviceLostError: Worker thread 1 .*testFail.*has died or is stuck/],
  ])('says which thread failed when a kernel %s, now and later', async (_, what, message) => {
    const errors = await call(['isolated'], 'fail', what);
    expect(errors).toEqual([expect.stringMatching(message), expect.stringMatching(message)]);
  });
});

describe('where there is no browser', () => {
  const none = () => false;

  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  it('the tests are not run, and say so and what to do', () => {
    vi.stubEnv('VQ4DIT_CHROMIUM', '');
    vi.stubEnv('VQ4DIT_REQUIRE_BROWSER', '');
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    expect(findChromium(none)).toBeUndefined();
    expect(warn).toHaveBeenCalledWith(expect.stringMatching(/NOT RUN.*install Chromium/));
  });

  it('VQ4DIT_REQUIRE_BROWSER=1 makes that a failure', () => {
    vi.stubEnv('VQ4DIT_CHROMIUM', '');
    vi.stubEnv('VQ4DIT_REQUIRE_BROWSER', '1');
    expect(() => findChromium(none)).toThrow(/no browser.*VQ4DIT_CHROMIUM/);
  });

  it('a VQ4DIT_CHROMIUM that names nothing is a failure', () => {
    vi.stubEnv('VQ4DIT_CHROMIUM', '/no/such/browser');
    expect(() => findChromium(none)).toThrow('VQ4DIT_CHROMIUM=/no/such/browser does not exist');
  });
});
