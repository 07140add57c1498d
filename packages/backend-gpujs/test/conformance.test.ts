import { defineConformance } from '@vq4dit/conformance/vitest';
import { createHeadlessGpujsBackend } from '../src/index.ts';

defineConformance({ name: 'gpujs-headlessgl', create: () => createHeadlessGpujsBackend(), tier: 'f32' });
