import { TensorOps } from '@vq4dit/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiTWeights, ditForward, parseDiTConfig } from '../src/index.ts';
import { BACKENDS } from './support/backends.ts';
import { expectClose } from './support/compare.ts';
import { loadFixture, loadJson } from './support/safetensors.ts';

const golden = loadFixture('dit-tiny.golden.safetensors');
const checkpoint = loadFixture('dit-tiny.safetensors');
const { config } = parseDiTConfig(loadJson('dit-tiny.config.json'), 'dit-tiny.config.json');
const TOLERANCE = 1e-4;

describe.each(BACKENDS)('forward pass against PyTorch on $name', ({ create }) => {
  let ops: TensorOps;
  let model: DiTWeights;
  beforeAll(async () => {
    ops = new TensorOps(await create());
    model = await DiTWeights.load(ops, config, checkpoint);
  });
  afterAll(() => ops.backend.close());

  it('gives the output and every block output, and frees all else', async () => {
    const before = ops.memory().liveTensors;
    const x = ops.tensor(golden.f32('forward.x'), golden.shape('forward.x'));
    const blocks: Float32Array[] = [];
    const reads: Promise<unknown>[] = [];
    const out = ditForward(ops, model, x, golden.i32('forward.t'), golden.i32('forward.y'), {
      onBlock(index, output) {
        const kept = ops.alias(output);
        reads.push(
          ops.read(kept).then((values) => {
            blocks[index] = values;
            kept.dispose();
          }),
        );
      },
    });
    await Promise.all(reads);
    expect(out.shape).toEqual(golden.shape('forward.out'));
    expectClose('forward.out', await ops.read(out), golden.f32('forward.out'), TOLERANCE);
    for (let index = 0; index < config.depth; index++) {
      const name = `forward.block.${index}`;
      expectClose(name, blocks[index]!, golden.f32(name), TOLERANCE);
    }
    out.dispose();
    x.dispose();
    expect(ops.memory().liveTensors).toBe(before);
  });
});
