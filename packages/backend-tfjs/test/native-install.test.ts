import { describe, expect, it } from 'vitest';
import { nativeDevice } from '../src/device-info.ts';
import { prepareEnvironment } from '../src/native/environment.ts';
import { howToBuild, howToInstall } from '../src/native/install.ts';
import { restoreUtil } from '../src/native/package.ts';

describe('what to do about a native package', () => {
  it.each([
    [
      'linux',
      /^run "npm install @tensorflow\/tfjs-node@4\.22\.0", or .* "node tools\/install-native\.mjs tfjs-node" after "apt-get install/,
    ],
    ['darwin', /^run "npm install @tensorflow\/tfjs-node@4\.22\.0" .*xcode-select --install/],
    ['win32', /^run "npm install @tensorflow\/tfjs-node@4\.22\.0" .*Visual Studio/],
  ])('has a command on %s', (platform, command) => {
    expect(howToInstall('@tensorflow/tfjs-node', { platform })).toMatch(command);
    expect(howToBuild('@tensorflow/tfjs-node', { platform })).toMatch(/^run "npm rebuild /);
  });

  it('says that macOS has no CUDA', () => {
    expect(howToInstall('@tensorflow/tfjs-node-gpu', { platform: 'darwin' })).toMatch(
      /use tfjs-node$/,
    );
  });
});

describe('the environment of TensorFlow', () => {
  it('has TF32 off whatever was set, unless it is asked for', () => {
    const env: Record<string, string | undefined> = { NVIDIA_TF32_OVERRIDE: '1' };
    prepareEnvironment(env, true);
    expect(env.NVIDIA_TF32_OVERRIDE).toBe('1');
    prepareEnvironment(env, false);
    expect(env.NVIDIA_TF32_OVERRIDE).toBe('0');
  });

  it('keeps what else the user has set', () => {
    const env: Record<string, string | undefined> = {
      TF_FORCE_GPU_ALLOW_GROWTH: 'false',
      TF_CPP_MIN_LOG_LEVEL: '0',
      TF_ENABLE_ONEDNN_OPTS: '1',
    };
    const before = { ...env };
    prepareEnvironment(env, false);
    expect(env).toEqual({ ...before, NVIDIA_TF32_OVERRIDE: '0' });
  });
});

describe('the device', () => {
  it('is a GPU only if TensorFlow uses one', () => {
    expect(
      nativeDevice({ isGPUPackage: true, isUsingGpuDevice: false }, 'a CPU', ' 2.21.0'),
    ).toEqual(['a CPU (native TensorFlow 2.21.0, CUDA finds no GPU)', false]);
    expect(nativeDevice({ isUsingGpuDevice: false }, 'a CPU', '')).toEqual([
      'a CPU (native TensorFlow)',
      false,
    ]);
    expect(
      nativeDevice({ isGPUPackage: true, isUsingGpuDevice: true }, 'a CPU', ' 2.21.0'),
    ).toEqual([expect.stringMatching(/ \(CUDA, native TensorFlow 2\.21\.0\)$/), true]);
  });
});

it('puts back what Node 23 took out of util, and nothing else', () => {
  const util: Record<string, unknown> = {};
  restoreUtil(util);
  const isNullOrUndefined = util.isNullOrUndefined as (x: unknown) => boolean;
  expect([null, undefined, 0, ''].map(isNullOrUndefined)).toEqual([true, true, false, false]);
  const own = () => true;
  const old: Record<string, unknown> = { isNullOrUndefined: own };
  restoreUtil(old);
  expect(old).toEqual({ isNullOrUndefined: own });
});
