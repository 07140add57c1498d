import { RandomStream, sizeOf } from '@vq4dit/core';
import fc from 'fast-check';
import { type DiTConfig, expectedTensors, type TensorSource } from '../../src/index.ts';

/** Weights of any config, normal with deviation 0.1, always the same. */
export function randomSource(
  config: DiTConfig,
  { without = [] as readonly string[], change = {} as Record<string, Float32Array> } = {},
): TensorSource {
  const shapes = expectedTensors(config);
  for (const name of without) shapes.delete(name);
  return {
    name: 'random',
    names: () => [...shapes.keys()],
    entry: (name) => ({ shape: shapes.get(name)! }),
    readFloat32: async (name) =>
      change[name] ??
      new RandomStream(1, name)
        .fillNormal(new Float32Array(sizeOf(shapes.get(name)!)))
        .map((value) => 0.1 * value),
  };
}

/** Small models of all kinds. */
export const smallConfigs: fc.Arbitrary<DiTConfig> = fc
  .record({
    side: fc.integer({ min: 1, max: 3 }),
    patchSize: fc.constantFrom(1, 2, 3, 4),
    inChannels: fc.integer({ min: 1, max: 5 }),
    headSize: fc.constantFrom(4, 8),
    numHeads: fc.constantFrom(1, 2, 3),
    depth: fc.integer({ min: 1, max: 2 }),
    mlpRatio: fc.constantFrom(1, 2, 4),
    numClasses: fc.integer({ min: 1, max: 5 }),
    classDropoutProb: fc.constantFrom(0, 0.1),
    learnSigma: fc.boolean(),
  })
  .map(({ side, headSize, ...rest }) => ({
    ...rest,
    inputSize: side * rest.patchSize,
    hiddenSize: headSize * rest.numHeads,
  }));

export const SMALL: DiTConfig = {
  inputSize: 4,
  patchSize: 2,
  inChannels: 1,
  hiddenSize: 8,
  depth: 2,
  numHeads: 2,
  mlpRatio: 2,
  numClasses: 3,
  classDropoutProb: 0.1,
  learnSigma: true,
};
