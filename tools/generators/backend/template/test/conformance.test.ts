import { defineConformance } from '@vq4dit/conformance/vitest';
import { createMyDeviceBackend } from '../src/index.ts';

defineConformance({ name: 'my-device', create: () => createMyDeviceBackend(), tier: 'f32' });
