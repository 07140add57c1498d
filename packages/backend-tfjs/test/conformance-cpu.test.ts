import { defineConformance } from '@vq4dit/conformance/vitest';
import { createTfjsCpuBackend } from '../src/index.ts';

defineConformance({ name: 'tfjs-cpu', create: () => createTfjsCpuBackend(), tier: 'f32' });
