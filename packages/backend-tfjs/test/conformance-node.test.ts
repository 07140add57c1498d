import { defineConformance } from '@vq4dit/conformance/vitest';
import { createTfjsNodeBackend } from '../src/index.ts';
import { whereNativeRuns } from './support/native.ts';

whereNativeRuns('tfjs-node', 'the conformance table on tfjs-node', () =>
  defineConformance({
    name: 'tfjs-node',
    create: () => createTfjsNodeBackend(),
    tier: 'f32',
    // TensorFlow's kernels run with denormals flushed.
    flushesDenormals: true,
  }),
);
