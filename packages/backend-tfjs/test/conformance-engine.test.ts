import { defineConformance } from '@vq4dit/conformance/vitest';
import { createTfjsCpuBackend } from '../src/index.ts';

// The way of every TensorFlow.js backend whose memory is out of reach.
defineConformance({
  name: 'tfjs-cpu through the engine',
  create: () => createTfjsCpuBackend({ direct: false, id: 'tfjs-cpu-engine' }),
  tier: 'f32',
});
