import { DeviceLostError, OutOfDeviceMemoryError, UnsupportedOpError } from '@vq4dit/core';

/** Failures of a device and not of the work: another backend may do the same. */
const FAILURES = [DeviceLostError, OutOfDeviceMemoryError, UnsupportedOpError] as const;
type DeviceFailure = InstanceType<(typeof FAILURES)[number]>;

/** Whether the work may succeed on another backend. */
export function isDeviceFailure(error: unknown): error is DeviceFailure {
  return FAILURES.some((kind) => error instanceof kind);
}

/** The same error, saying that finished work is kept in the folder and how to go on. */
export function withWayOn(error: DeviceFailure, folder: string): DeviceFailure {
  const Kind = FAILURES.find((kind) => error instanceof kind)!;
  const problem = error.message.replace(/\.$/, '');
  return new Kind(
    `${problem}; what is finished is kept in ${folder}, so run the same command again to go on, on another backend with --backend.`,
    { cause: error },
  );
}
