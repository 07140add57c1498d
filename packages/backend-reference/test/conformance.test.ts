import { defineConformance } from '@vq4dit/conformance/vitest';
import { createReferenceBackend } from '../src/index.ts';

defineConformance({ name: 'reference', create: () => createReferenceBackend() });
