import { createRequire } from 'node:module';
import { limitsOf } from '@vq4dit/conformance';
import { RandomStream } from '@vq4dit/core';
import { productOf } from '../cases.mjs';

/** Requires and resolves what `node tools/install-native.mjs <name>` has installed. */
export function nativeRequire(name) {
  return createRequire(new URL(`../../../.native/${name}/x.js`, import.meta.url));
}

/**
 * A turn of a peer, which multiplies matrices and nothing else: the same inputs as a backend gets,
 * judged by the same rule, the first run as the warm-up, and then the median.
 *
 * @param load puts x [m, k], w [n, k] and a bias [n] where the peer computes and gives
 *   `{ times(milliseconds): seconds[], read(): [m * n], close() }`
 */
export async function productTurn({ kind, workload }, milliseconds, load) {
  const product = kind === 'op' ? productOf(workload) : undefined;
  if (!product) return undefined;
  const { m, k, n, at } = product;
  const work = workload.make(new RandomStream(0, `${workload.op}(${workload.params})`));
  const [x, w, bias] = [at.x, at.w, at.bias].map((i) => work.inputs[i]?.data);
  const loaded = await load({ m, k, n, x, w, bias });
  try {
    const message = work.judge([await loaded.read()], limitsOf('f32'));
    if (message !== undefined) return { status: 'failed', message };
    const seconds = (await loaded.times(milliseconds)).sort((a, b) => a - b);
    const median = seconds[seconds.length >> 1];
    return { status: 'passed', seconds: [median], runs: seconds.length };
  } finally {
    await loaded.close();
  }
}

/** Runs again and again for so long; each run ends when its result is there. */
export async function repeat(milliseconds, run) {
  const seconds = [];
  for (let total = 0; total < milliseconds || seconds.length < 2; ) {
    const began = performance.now();
    await run();
    const time = performance.now() - began;
    seconds.push(time / 1000);
    total += time;
  }
  return seconds;
}
