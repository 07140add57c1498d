import { defineConformance } from '@vq4dit/conformance/vitest';
import { createHeadlessGpujsBackend } from '../src/index.ts';
import { whereHeadlessGlRuns } from './support/native.ts';

whereHeadlessGlRuns('conformance of gpujs-headlessgl', () => {
  defineConformance({
    name: 'gpujs-headlessgl',
    create: () => createHeadlessGpujsBackend(),
    tier: 'f32',
    // Graphics hardware may do so, and Mesa's software renderer does.
    flushesDenormals: true,
  });
});
