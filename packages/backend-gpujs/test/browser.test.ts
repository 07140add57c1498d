import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callOnPage } from '../../../tools/browser/call.ts';
import { findChromium, webglArgs } from '../../../tools/browser/chromium.ts';
import { type PageServer, servePage } from '../../../tools/browser/serve.ts';
import { supportFile } from '../../../tools/browser/support-file.ts';
import type { functions } from './browser/page.ts';
import { browserBuild, findGpuJs } from './support/native.ts';

const executablePath = findChromium('gpu.js in WebGL 2');
const gpuJs = findGpuJs('gpu.js in WebGL 2');

describe.skipIf(!executablePath || !gpuJs)('in Chromium', () => {
  let browser: Browser;
  let server: PageServer<Record<never, never>>;

  beforeAll(async () => {
    server = await servePage({ packageName: 'backend-gpujs' });
    browser = await chromium.launch({ executablePath: executablePath!, args: webglArgs() });
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  const scripts = gpuJs ? [browserBuild(gpuJs)] : [];
  const seed = Number(process.env.VQ4DIT_TEST_SEED ?? 20240817);

  /** Calls one of the functions of browser/page.ts on a fresh page. */
  const call = <Name extends keyof typeof functions>(
    name: Name,
    ...args: Parameters<(typeof functions)[Name]>
  ) => callOnPage<typeof functions, Name>(browser, server.url(), scripts, name, ...args);

  it('passes the conformance table in WebGL 2', async () => {
    const report = await call('conformance', { seed, numRuns: 5, flushesDenormals: true });
    console.info(report.device, report.counts);
    expect(report.device).toContain('WebGL 2 by gpu.js (WebGL2Kernel)');
    expect(report).toMatchObject({ bad: [], problems: [] });
  }, 600_000);

  it('has the column of docs/support.md that it should have', async () => {
    const now = await call('support');
    expect(supportFile('gpujs-webgl2', now), 'VQ4DIT_REFRESH_SUPPORT=1 writes it anew').toEqual(
      now,
    );
  }, 60_000);

  it('reaches the last element of large tensors', async () => {
    expect(await call('large')).toEqual([]);
  }, 120_000);

  it('says that the context is lost, whatever is called next', async () => {
    const errors = await call('loseContext');
    expect(errors).toHaveLength(4);
    for (const error of errors)
      expect(error).toMatch(/DeviceLostError: The WebGL context was lost/);
  }, 60_000);

  it('is not available without WebGL 2', async () => {
    const error = await call('withoutWebGl');
    expect(error).toMatch(/BackendUnavailableError: WebGL 2 is not available here/);
  }, 60_000);
});
