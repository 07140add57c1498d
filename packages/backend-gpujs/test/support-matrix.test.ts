import { readFileSync } from 'node:fs';
import { supportRows } from '@vq4dit/conformance';
import { parse } from 'csv-parse/sync';
import { expect, it } from 'vitest';
import { createHeadlessGpujsBackend } from '../src/index.ts';
import { whereHeadlessGlRuns } from './support/native.ts';

/** The command line's own test of these files has no display. */
whereHeadlessGlRuns('the table of support', () => {
  it('is what the backend says', async () => {
    const file = new URL('../../../docs/support/gpujs.csv', import.meta.url);
    const backend = await createHeadlessGpujsBackend();
    try {
      const now = supportRows(backend).map(({ op, params, way, message = '' }) => {
        return { op, params, way, message };
      });
      const refresh = 'run "xvfb-run -a node tools/support-matrix.mjs --refresh gpujs"';
      expect(parse(readFileSync(file, 'utf8'), { columns: true }), refresh).toEqual(now);
    } finally {
      await backend.close();
    }
  });
});
