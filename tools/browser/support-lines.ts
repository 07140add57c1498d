import { supportRows } from '@vq4dit/conformance';
import type { Backend } from '@vq4dit/core';

/** What a backend says of each workload, as docs/support keeps it; runs in a browser, too. */
export function supportLines(backend: Backend) {
  return supportRows(backend).map(({ op, params, way = '', message = '' }) => {
    return { op, params, way, message };
  });
}
