import { limitsOf, measure } from '@vq4dit/conformance';
import { TensorOps } from '@vq4dit/core';
import { createOurs } from '../training/ours.mjs';
import { kmeansOn } from './kmeans.mjs';

/**
 * The turns of a backend, in Node or in a browser.
 *
 * @param problems gives the inputs of the steps; called once, when the first step is asked for
 */
export function createTurns(backend, { flushesDenormals, problems }) {
  const { device, precision } = backend.info();
  const limits = limitsOf(precision, flushesDenormals);
  let steps;
  return {
    device,
    async turn({ kind, workload }, milliseconds) {
      if (kind === 'op') return workloadTurn(backend, workload, { limits, minTime: milliseconds });
      if (kind === 'kmeans')
        return { status: 'passed', ...(await kmeansOn(new TensorOps(backend))) };
      steps ??= await createOurs(device, backend, await problems());
      // The first step compiles kernels and fills caches.
      const warm = await steps[kind](1);
      const count = Math.min(10, Math.ceil(milliseconds / 1000 / warm.seconds[0]));
      const { seconds } = count > 1 ? await steps[kind](count) : warm;
      return { status: 'passed', seconds, value: warm.values[0] };
    },
    close: () => (steps ?? backend).close(),
  };
}

/** The kit's own measurement: judged first, then timed. Its median stands for the turn. */
async function workloadTurn(backend, workload, options) {
  const row = await measure(backend, workload, options);
  const { status, message, way, n_runs: runs, time_us: time } = row;
  return { status, message, way, runs, ...(time !== undefined && { seconds: [time / 1e6] }) };
}
