import { expect, it } from 'vitest';
import { openSafetensors, openTensorFile, openTorchCheckpoint } from '../src/index.ts';
import { expectSameBits, fixture } from './support/sources.ts';

it('a state dict, a training checkpoint and a safetensors file give the same tensors', async () => {
  const plain = await openTorchCheckpoint(fixture('dit-tiny.pt'));
  const training = await openTorchCheckpoint(fixture('dit-tiny-train-checkpoint.pt'));
  const safetensors = await openSafetensors(fixture('dit-tiny.safetensors'));
  expect(plain.stateDictKey).toBeUndefined();
  expect(training.stateDictKey).toBe('ema');
  expect(safetensors.names()).toHaveLength(32);
  for (const name of safetensors.names()) {
    const { dtype, shape, byteLength } = safetensors.entry(name);
    const expected = await safetensors.readFloat32(name);
    for (const file of [plain, training]) {
      expect(file.entry(name)).toEqual({ name, dtype, shape, byteLength });
      expectSameBits(await file.readFloat32(name), expected);
      const part = await file.readFloat32Range(name, 3, expected.length - 5);
      expectSameBits(part, expected.slice(3, -2));
    }
  }
  expect(plain.names()).toEqual(safetensors.names());
  expect(training.names()).toEqual(safetensors.names());
  for (const file of [plain, training, safetensors]) await file.close();
});

it('the arguments of a training checkpoint are plain data', async () => {
  const training = await openTorchCheckpoint(fixture('dit-tiny-train-checkpoint.pt'));
  expect(JSON.parse(JSON.stringify(training.args()))).toEqual({
    input_size: 8,
    patch_size: 2,
    in_channels: 4,
    hidden_size: 32,
    depth: 2,
    num_heads: 4,
    mlp_ratio: 4,
    class_dropout_prob: 0.1,
    num_classes: 10,
    learn_sigma: true,
  });
  await training.close();
  const plain = await openTorchCheckpoint(fixture('dit-tiny.pt'));
  expect(plain.args()).toBeUndefined();
  await plain.close();
});

it('a file is opened by its content', async () => {
  for (const name of ['dit-tiny.pt', 'dit-tiny-train-checkpoint.pt', 'dit-tiny.safetensors']) {
    const file = await openTensorFile(fixture(name));
    expect(file.names()).toContain('pos_embed');
    await file.close();
  }
});
