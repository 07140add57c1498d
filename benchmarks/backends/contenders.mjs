import { createRegistry } from '@vq4dit/cli';
import { BROWSER } from '../everywhere/browser.mjs';
import { PEERS } from './peers/index.mjs';

/** Who may take part: the backends of the command line, best first, those of browsers, and the peers. */
export function contenderIds() {
  return [
    ...createRegistry()
      .list()
      .map(({ id }) => id),
    ...BROWSER,
    ...Object.keys(PEERS),
  ];
}

/** Whether an id is that of one of our backends, and no peer. */
export function isBackend(id) {
  return !Object.hasOwn(PEERS, id);
}

/**
 * Starts a contender in this process.
 *
 * @returns its device and version, `turn(case, milliseconds)`, which gives `{ status, seconds, ... }`,
 *   or undefined for a case that is not for it, and `close()`
 */
export async function open(id) {
  if (Object.hasOwn(PEERS, id)) return PEERS[id]();
  const { openBackend } = await import('./backend.mjs');
  return openBackend(id);
}
