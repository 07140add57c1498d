import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callOnPage } from '../../../tools/browser/call.ts';
import { findChromium, webglArgs } from '../../../tools/browser/chromium.ts';
import { type PageServer, servePage } from '../../../tools/browser/serve.ts';
import { supportFile } from '../../../tools/browser/support-file.ts';
import type { functions } from './browser/page.ts';

const executablePath = findChromium('TensorFlow.js in WebGL');

describe.skipIf(!executablePath)('in Chromium', () => {
  let browser: Browser;
  let server: PageServer<Record<never, never>>;

  beforeAll(async () => {
    const include = ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-webgl'];
    server = await servePage({ packageName: 'backend-tfjs', include });
    browser = await chromium.launch({ executablePath: executablePath!, args: webglArgs() });
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  const seed = Number(process.env.VQ4DIT_TEST_SEED ?? 20240817);

  /** Calls one of the functions of browser/page.ts on a fresh page. */
  const call = <Name extends keyof typeof functions>(
    name: Name,
    ...args: Parameters<(typeof functions)[Name]>
  ) => callOnPage<typeof functions, Name>(browser, server.url(), [], name, ...args);

  it('passes the conformance table in WebGL', async () => {
    const report = await call('conformance', { seed, numRuns: 5, flushesDenormals: true });
    console.info(report.device, report.counts);
    expect(report.device).toContain('(WebGL)');
    expect(report).toMatchObject({ bad: [], problems: [] });
  }, 600_000);

  it('has the column of docs/support.md that it should have', async () => {
    const now = await call('support');
    expect(supportFile('tfjs-webgl', now), 'VQ4DIT_REFRESH_SUPPORT=1 writes it anew').toEqual(now);
  }, 60_000);

  it('waits for the device in sync: it reads a number that was computed there', async () => {
    expect(await call('readsOfSync')).toBeGreaterThan(0);
  }, 60_000);

  it('says that the context is lost, whatever is called next', async () => {
    const errors = await call('loseContext');
    expect(errors).toHaveLength(4);
    for (const error of errors) {
      expect(error).toMatch(/DeviceLostError: The WebGL context was lost/);
    }
  }, 60_000);

  it('refuses tensors that no texture can hold', async () => {
    expect(await call('tooLarge')).toEqual([
      expect.stringMatching(/UnsupportedOpError: Sin: .*texture size .*Use smaller batches/),
      expect.stringMatching(
        /UnsupportedOpError: .*\[200, 100\] is beyond the 16384 elements that a texture/,
      ),
      'it worked',
    ]);
  }, 60_000);

  it('says that memory has run out, and goes on where there is room again', async () => {
    const outOfMemory = expect.stringMatching(/OutOfDeviceMemoryError: .*no room for one more/);
    expect(await call('outOfMemory')).toEqual([outOfMemory, outOfMemory, 'it worked']);
  }, 60_000);
});
