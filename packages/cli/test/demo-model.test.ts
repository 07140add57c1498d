import { fileURLToPath } from 'node:url';
import { createTfjsWasmBackend } from '@vq4dit/backend-tfjs';
import { openModel, openSafetensors } from '@vq4dit/checkpoint';
import { type Tensor, TensorOps } from '@vq4dit/core';
import { demoModel } from '@vq4dit/demo-model';
import { DiTWeights, ditForward } from '@vq4dit/dit';
import { expect, it } from 'vitest';

const GOLDEN = new URL(
  '../../demo-model/test/fixtures/dit-fashion.golden.safetensors',
  import.meta.url,
);

/** The largest difference, relative to the largest value that PyTorch computed. */
function relativeError(actual: Float32Array, expected: Float32Array): number {
  expect(actual.length).toBe(expected.length);
  let [difference, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(actual[i]! - expected[i]!));
    size = Math.max(size, Math.abs(expected[i]!));
  }
  return difference / size;
}

it('the demo model computes what PyTorch computes, block by block', async () => {
  const file = await openModel(fileURLToPath(demoModel.checkpoint));
  const golden = await openSafetensors(fileURLToPath(GOLDEN));
  const ops = new TensorOps(await createTfjsWasmBackend());
  const weights = await DiTWeights.load(ops, file.config, file);
  const { liveTensors } = ops.memory();
  const x = ops.tensor(await golden.readFloat32('forward.x'), golden.entry('forward.x').shape);
  const [t, y] = [await golden.readInt32('forward.t'), await golden.readInt32('forward.y')];
  const blocks: Tensor[] = [];
  const output = ditForward(ops, weights, x, t, y, {
    onBlock: (_index, block) => blocks.push(ops.alias(block)),
  });
  expect(file.config.depth).toBe(6);
  expect(blocks).toHaveLength(6);
  for (const [i, block] of blocks.entries()) {
    const name = `forward.block.${i}`;
    expect(block.shape).toEqual(golden.entry(name).shape);
    expect(relativeError(await ops.read(block), await golden.readFloat32(name))).toBeLessThan(1e-4);
    block.dispose();
  }
  expect(output.shape).toEqual(golden.entry('forward.out').shape);
  const expected = await golden.readFloat32('forward.out');
  expect(relativeError(await ops.read(output), expected)).toBeLessThan(1e-4);
  output.dispose();
  x.dispose();
  expect(ops.memory().liveTensors).toBe(liveTensors);
  weights.dispose();
  await ops.backend.close();
  await file.close();
  await golden.close();
});
