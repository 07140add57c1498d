import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createTfjsCpuBackend } from '@vq4dit/backend-tfjs';
import {
  BackendRegistry,
  BackendUnavailableError,
  DeviceLostError,
  OutOfDeviceMemoryError,
  UnsupportedOpError,
} from '@vq4dit/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { main } from '../src/main.ts';
import { type Fault, failing } from './support/failing-backend.ts';
import { sameFolders, temporaryFolder, writeModel } from './support/models.ts';

/** The fault of the backend `dying`, and the kernels that it runs without one. */
const device: { fault?: Fault } = {};

// The whole command line, with two backends of which the better one dies.
vi.mock('../src/backends.ts', () => {
  const createRegistry = () => {
    const registry = new BackendRegistry();
    const create = () => createTfjsCpuBackend();
    registry.register({
      ...{ id: 'dying', description: 'runs until it does not', priority: 3 },
      create: async () => failing(await create(), 'dying', device.fault!),
    });
    const missing = () => Promise.reject(new BackendUnavailableError('It is not installed.'));
    registry.register({ id: 'missing', description: '', priority: 2, create: missing });
    registry.register({ id: 'tfjs-cpu', description: '', priority: 1, create });
    return registry;
  };
  const registryWith = async (id?: string) => ({ registry: createRegistry(), id });
  return { createRegistry, registryWith };
});

const folder = await temporaryFolder();
const at = (name: string) => join(folder, name);
const model = await writeModel(at('model'));
const CALIBRATE = ['--trajectories', '3', '--steps', '2', '--batch', '1'];

/** Runs the command line in this process. */
async function run(args: readonly string[]): Promise<{ code: number; stderr: string }> {
  let stderr = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += text;
    return true;
  });
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  return { code: await main(args), stderr };
}

afterEach(() => vi.restoreAllMocks());

const lost = () => new DeviceLostError('The device is gone.');
const never: Fault = { after: Number.POSITIVE_INFINITY, error: lost, lasting: true };
const SWITCH = /goes on, on tfjs-cpu, after (\d) finished trajectories that dying computed/;

/** Fails ever later, until a run dies in its second or third trajectory. */
async function dieInCalibration(name: string, args: readonly string[]) {
  for (let after = 500; after < 1e6; after *= 1.5) {
    device.fault = { after: Math.round(after), error: lost, lasting: true };
    const out = at(`${name}-${after}`);
    const outcome = await run(['quantize', model, out, ...CALIBRATE, ...args]);
    if (existsSync(`${out}.work/calibration.safetensors`)) return { out, ...outcome };
    if (SWITCH.test(outcome.stderr)) return { out, ...outcome };
  }
  throw new Error('the run never died in its calibration');
}

describe('a backend that dies in the middle of quantize', () => {
  it('is replaced by the next one that runs, which goes on after the last finished trajectory', async () => {
    const { out, code, stderr } = await dieInCalibration('replaced', []);
    expect(code).toBe(0);
    expect(stderr).toMatch(/Backend dying failed: The device is gone\.\nBackend: tfjs-cpu/);
    expect(Number(SWITCH.exec(stderr)![1])).toBeGreaterThan(0);
    expect(existsSync(`${out}.work`)).toBe(false);
    const tensors = await readFile(join(out, 'model.safetensors'));
    expect(tensors.includes('"calibration_backends":"dying tfjs-cpu"')).toBe(true);
  });

  it('is not replaced where it was asked for by name; the same command goes on elsewhere', async () => {
    const { out, code, stderr } = await dieInCalibration('named', ['--backend', 'dying']);
    expect(code).toBe(1);
    expect(stderr.trimEnd().split('\n').at(-1)).toBe(
      `vq4dit: The device is gone; what is finished is kept in ${out}.work, so run the same command again to go on, on another backend with --backend.`,
    );
    const state = await stat(`${out}.work/calibration.safetensors`);
    expect(state.size).toBeGreaterThan(0);
    const rest = await run(['quantize', model, out, ...CALIBRATE, '--backend', 'tfjs-cpu']);
    expect(rest.code).toBe(0);
    expect(rest.stderr).toMatch(SWITCH);
  });

  it.each([
    ['out of memory', new OutOfDeviceMemoryError('No room for one more tensor.')],
    ['a tensor over the limits', new UnsupportedOpError('No texture can hold it.')],
    ['a lost device', new DeviceLostError('The device is gone.')],
  ])(
    'before its first trajectory (%s) leaves nothing of its own in the result',
    async (what, error) => {
      device.fault = { after: 40, error: () => error, lasting: false };
      const out = at(what);
      const { code, stderr } = await run(['quantize', model, out, ...CALIBRATE]);
      expect(code).toBe(0);
      expect(stderr).toContain(`Backend dying failed: ${error.message}`);
      device.fault = never;
      const whole = at(`${what}, whole`);
      await run(['quantize', model, whole, ...CALIBRATE, '--backend', 'tfjs-cpu']);
      expect(await sameFolders(out, whole)).toBe(true);
    },
  );

  it('is not replaced after any other error, which is a bug', async () => {
    device.fault = { after: 40, error: () => new TypeError('no such thing'), lasting: true };
    const { code, stderr } = await run(['quantize', model, at('bug'), ...CALIBRATE]);
    expect(code).toBe(70);
    expect(stderr).toContain('TypeError: no such thing');
  });
});
