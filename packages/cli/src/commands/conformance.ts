import type { Declarations } from '@vq4dit/conformance/backend-module';
import { createConformanceCommand } from '@vq4dit/conformance/cli';
import type { Command } from 'commander';
import { createRegistry } from '../backends.ts';

/** What the backends that come along declare to the conformance kit, by id. */
export const DECLARATIONS: Readonly<Record<string, Declarations>> = {
  // Graphics hardware may turn denormals into zero, and Mesa's software renderer does.
  gpujs: { flushesDenormals: true },
  // TensorFlow's kernels run with denormals flushed.
  'tfjs-node': { flushesDenormals: true },
  'tfjs-node-gpu': { flushesDenormals: true },
};

/** The command line of the conformance kit, with the backends that come along by their ids. */
export function conformanceCommand(): Command {
  return createConformanceCommand({
    name: 'conformance',
    program: 'npx vq4dit conformance',
    known: {
      list: () => createRegistry().list(),
      declarations: (id) => DECLARATIONS[id],
    },
  });
}
