import { existsSync } from 'node:fs';
import { WORKLOADS } from '@vq4dit/conformance';
import type { Backend } from '@vq4dit/core';
import { describe, expect, it } from 'vitest';
import { supportLines } from '../../../tools/browser/support-lines.ts';
import { readSupport } from '../../../tools/support-csv.mjs';
import { createRegistry } from '../src/backends.ts';

/** These run wherever Node runs, so their columns are always compared. */
const EVERYWHERE = ['wasm', 'tfjs-wasm', 'tfjs-cpu', 'reference'];

const fileOf = (id: string) => new URL(`../../../docs/support/${id}.csv`, import.meta.url);

describe('docs/support', () => {
  it.each(createRegistry().list())('$id is what the backend says', async ({ id, create }) => {
    expect(existsSync(fileOf(id)), refresh(id)).toBe(true);
    const rows = readSupport(id);
    let backend: Backend;
    try {
      backend = await create();
    } catch (error) {
      // What cannot start here has at least a row for each workload of today.
      if (EVERYWHERE.includes(id)) throw error;
      const named = WORKLOADS.map(({ op, params }) => ({ op, params }));
      expect(rows, refresh(id)).toMatchObject(named);
      return;
    }
    try {
      const now = supportLines(backend);
      expect(rows, refresh(id)).toEqual(now);
    } finally {
      await backend.close();
    }
  });
});

function refresh(id: string): string {
  return `run "node tools/support-matrix.mjs --refresh ${id}" after a build`;
}
