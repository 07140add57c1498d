import { type Browser, chromium } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { callOnPage } from '../../../tools/browser/call.ts';
import { findChromium } from '../../../tools/browser/chromium.ts';
import { type PageServer, servePage } from '../../../tools/browser/serve.ts';
import { createWasmBackend } from '../src/index.ts';
import type { functions } from './browser/page.ts';
import { checksumsOf } from './support/bits.ts';
import { allowRelaxedSimd } from './support/relaxed.ts';

allowRelaxedSimd();
const executablePath = findChromium('the wasm backend');

/** What a site may send along with a page. */
const HEADERS = {
  /** Makes the page cross-origin isolated: only then is there shared memory. */
  isolated: {
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
  },
  /** A site that forbids workers. */
  noWorkers: { 'Content-Security-Policy': "worker-src 'none'" },
  /** A site that forbids WebAssembly. */
  noWebAssembly: { 'Content-Security-Policy': "script-src 'self'" },
};

describe.skipIf(executablePath === undefined)('in Chromium', () => {
  let browser: Browser;
  let server: PageServer<typeof HEADERS>;

  beforeAll(async () => {
    server = await servePage({ packageName: 'backend-wasm', headers: HEADERS });
    // Tests may run as root in a container, where the sandbox does not start.
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] });
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Calls one of the functions of browser/page.ts on a fresh page. */
  const call = <Name extends keyof typeof functions>(
    headers: readonly (keyof typeof HEADERS)[],
    name: Name,
    ...args: Parameters<(typeof functions)[Name]>
  ) => callOnPage<typeof functions, Name>(browser, server.url(headers), [], name, ...args);

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
    expect(findChromium('the wasm backend', none)).toBeUndefined();
    expect(warn).toHaveBeenCalledWith(expect.stringMatching(/NOT RUN.*install Chromium/));
  });

  it('VQ4DIT_REQUIRE_BROWSER=1 makes that a failure', () => {
    vi.stubEnv('VQ4DIT_CHROMIUM', '');
    vi.stubEnv('VQ4DIT_REQUIRE_BROWSER', '1');
    expect(() => findChromium('the wasm backend', none)).toThrow(/no browser.*VQ4DIT_CHROMIUM/);
  });

  it('a VQ4DIT_CHROMIUM that names nothing is a failure', () => {
    vi.stubEnv('VQ4DIT_CHROMIUM', '/no/such/browser');
    expect(() => findChromium('the wasm backend', none)).toThrow(
      'VQ4DIT_CHROMIUM=/no/such/browser does not exist',
    );
  });
});
