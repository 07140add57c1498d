import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeDevice } from '../src/describe.ts';
import type { Gpu } from '../src/gpu-js.ts';
import { howToInstall } from '../src/headless.ts';
import { createHeadlessGpujsBackend } from '../src/index.ts';
import { collapse, stridesOf } from '../src/kernels/strides.ts';
import { layoutOf, MAX_TEXELS, maxElements } from '../src/layout.ts';
import { supports } from '../src/supports.ts';
import { areExact, splitValues } from '../src/tensor.ts';

describe('layout', () => {
  it('holds all texels in rows that are a power of two wide, and little more', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: MAX_TEXELS }), (texels) => {
        const { width, height } = layoutOf(texels);
        expect(Math.log2(width) % 1).toBe(0);
        expect(height).toBeGreaterThanOrEqual(2);
        expect(width * height).toBeGreaterThanOrEqual(texels);
        expect(width * height).toBeLessThan(texels + 2 * width);
        expect(Math.max(width, height)).toBeLessThanOrEqual(4096);
      }),
    );
  });

  it('keeps to the size of textures', () => {
    expect(maxElements(16384)).toBe(2 ** 26);
    expect(maxElements(2048)).toBe(2 ** 24);
    expect(maxElements(3000)).toBe(2 ** 24);
  });
});

describe('walks', () => {
  /** The offsets that a walk meets, in order. */
  function offsets(axes: readonly { size: number; steps: readonly number[] }[]): number[] {
    let found = [0];
    for (const { size, steps } of axes) {
      found = found.flatMap((at) => Array.from({ length: size }, (_, i) => at + i * steps[0]!));
    }
    return found;
  }

  it('meet the same elements with fewer axes', () => {
    const axis = fc.record({
      size: fc.integer({ min: 1, max: 3 }),
      steps: fc.tuple(fc.integer({ min: 0, max: 12 })),
    });
    fc.assert(
      fc.property(fc.array(axis, { minLength: 1, maxLength: 5 }), (axes) => {
        expect(offsets(collapse(axes))).toEqual(offsets(axes));
      }),
    );
  });

  it('become one axis where elements lie in a row', () => {
    const shape = [2, 3, 1, 5];
    const strides = stridesOf(shape);
    const axes = shape.map((size, i) => ({ size, steps: [strides[i]!] }));
    expect(collapse(axes)).toEqual([{ size: 30, steps: [1] }]);
  });
});

describe('int32', () => {
  it('is split into halves that float32 holds', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })), (values) => {
        const { low, high } = splitValues(Int32Array.from(values));
        expect(values).toEqual([...low].map((part, i) => high[i]! * 65536 + part));
      }),
    );
  });

  it('is one texture up to 2^24', () => {
    expect(areExact(Int32Array.of(2 ** 24, -(2 ** 24)))).toBe(true);
    expect(areExact(Int32Array.of(0, 2 ** 24 + 1))).toBe(false);
  });
});

describe('refusals', () => {
  it.each([
    ['upload', [[2 ** 13, 2 ** 13 + 1]], /67117056|elements that a texture/],
    ['gatherRows', [[2 ** 24 + 1, 1], [3]], /gatherRows has to count to 16777217/],
    [
      'softReconstruct',
      [
        [4, 4],
        [2 ** 23, 3],
        [2 ** 23, 3],
      ],
      /count to 25165824/,
    ],
  ] as const)('%s', (op, shapes, reason) => {
    const dtypes = shapes.map(() => 'float32' as const);
    expect(supports({ op, shapes, dtypes }, 2 ** 26)).toEqual({
      reason: expect.stringMatching(reason),
    });
  });

  it('nothing else', () => {
    expect(supports({ op: 'unary', shapes: [[2 ** 26]], dtypes: ['float32'] }, 2 ** 26)).toBe(true);
  });
});

describe('the device', () => {
  const open = (renderer: string | undefined) => {
    const context = {
      getExtension: () => (renderer === undefined ? null : { UNMASKED_RENDERER_WEBGL: 1 }),
      getParameter: () => renderer,
    };
    const gpu = { context } as unknown as Gpu;
    return { gpu, webgl: 2, kernelClass: 'WebGL2Kernel', close: () => {} } as const;
  };

  it.each([
    ['ANGLE (NVIDIA, NVIDIA H200 (0x00002335), D3D11)', true],
    ['ANGLE (Apple, Apple M2, OpenGL 4.1)', true],
    ['ANGLE (Mesa/X.org llvmpipe (LLVM 15.0.6, 256 bits) OpenGL 4.5 core)', false],
    ['ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero)), SwiftShader driver)', false],
    ['Microsoft Basic Render Driver', false],
    [undefined, false],
  ])('%s is a GPU: %s', (renderer, isGpu) => {
    const info = describeDevice('x', open(renderer), {});
    expect(info.isGpu).toBe(isGpu);
    expect(info.device).toContain(renderer ?? 'unknown renderer');
  });
});

describe('without gpu.js', () => {
  it.each([
    ['linux', /apt-get install .*libxi-dev.*node tools\/install-native\.mjs gpujs/],
    ['darwin', /npm install gpu\.js.*xcode-select/],
    ['win32', /npm install gpu\.js.*Visual Studio/],
  ])('%s is told how to install it', (platform, text) => {
    expect(howToInstall({ platform })).toMatch(text);
  });

  it.runIf(process.platform === 'linux')('or without a display there is no backend', async () => {
    const { DISPLAY } = process.env;
    delete process.env.DISPLAY;
    try {
      await expect(createHeadlessGpujsBackend()).rejects.toThrow(
        /DISPLAY is not set; run the command under "xvfb-run -a"|not installed; run "npm install/,
      );
    } finally {
      if (DISPLAY !== undefined) process.env.DISPLAY = DISPLAY;
    }
  });
});
