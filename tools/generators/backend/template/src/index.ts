import type { BackendRegistration } from '@vq4dit/core';
import { createMyDeviceBackend } from './backend.ts';

export { createMyDeviceBackend } from './backend.ts';
export type { DeviceBuffer, Values } from './memory.ts';

/** What `--backend @vq4dit/backend-my-device` looks for. */
export const vq4ditBackend: BackendRegistration = {
  id: 'my-device',
  description: 'my-device',
  priority: -1,
  create: createMyDeviceBackend,
};
