import { defineConformance } from '@vq4dit/conformance/vitest';
import { createTfjsNodeGpuBackend } from '../src/index.ts';
import { whereNativeRuns } from './support/native.ts';

whereNativeRuns('tfjs-node-gpu', 'the conformance table on tfjs-node-gpu', () =>
  defineConformance({
    name: 'tfjs-node-gpu',
    create: () => createTfjsNodeGpuBackend(),
    tier: 'f32',
    // TensorFlow's kernels run with denormals flushed.
    flushesDenormals: true,
  }),
);
