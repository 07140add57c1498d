import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, ModelError } from '@vq4dit/core';
import { describe, expect, it } from 'vitest';
import { openVae, pipelineVae, writeSafetensors } from '../src/index.ts';
import { temporaryFolder, writeJson } from './support/models.ts';
import * as pickle from './support/pickle-writer.ts';
import { checkpointRecords, zip } from './support/zip-writer.ts';

const folder = await temporaryFolder();
let count = 0;

async function freshFolder(): Promise<string> {
  const path = join(folder, String(count++));
  await mkdir(path);
  return path;
}

/** A file with one tensor [2]. */
async function writeTensor(path: string, name = 'decoder.conv_in.bias'): Promise<string> {
  const data = () => new Uint8Array(Float32Array.of(1, 2).buffer);
  await writeSafetensors(path, [{ name, dtype: 'F32', shape: [2], data }]);
  return path;
}

const CONFIG = { _class_name: 'AutoencoderKL', scaling_factor: 0.2, norm_num_groups: 16 };

describe('an autoencoder is opened', () => {
  it('as a file of its own, whatever its name', async () => {
    const path = await writeTensor(join(await freshFolder(), 'vae-ft-mse.safetensors'));
    const vae = await openVae(path);
    expect(vae).toMatchObject({ path, name: path, files: [path] });
    expect([vae.scalingFactor, vae.normGroups]).toEqual([undefined, undefined]);
    expect([...(await vae.readFloat32('decoder.conv_in.bias'))]).toEqual([1, 2]);
    await vae.close();
  });

  it('as a checkpoint whose weights are under state_dict', async () => {
    const tensor = pickle.tensor(pickle.storage('Float', '0', pickle.int(2)), 0, [2], [1]);
    const state = pickle.dict([pickle.text('decoder.conv_in.bias'), tensor]);
    const root = pickle.dict([pickle.text('state_dict'), state]);
    const storage = new Uint8Array(Float32Array.of(3, 4).buffer);
    const path = join(await freshFolder(), 'vae-ft-mse-840000-ema-pruned.ckpt');
    await writeFile(path, zip(checkpointRecords(pickle.pickle(root), [storage])));
    const vae = await openVae(path);
    expect([...(await vae.readFloat32('decoder.conv_in.bias'))]).toEqual([3, 4]);
    await vae.close();
  });

  it('as a folder with its config, or that of a whole pipeline', async () => {
    const pipeline = await freshFolder();
    const inner = join(pipeline, 'vae');
    await mkdir(inner);
    await writeJson(join(pipeline, 'model_index.json'), {});
    await writeJson(join(inner, 'config.json'), CONFIG);
    const file = await writeTensor(join(inner, 'diffusion_pytorch_model.safetensors'));
    for (const path of [pipeline, inner]) {
      const vae = await openVae(path);
      expect(vae).toMatchObject({ path, files: [file], scalingFactor: 0.2, normGroups: 16 });
      await vae.close();
    }
    expect(await pipelineVae(pipeline)).toBe(inner);
    expect(await pipelineVae(inner)).toBeUndefined();
    expect(await pipelineVae(file)).toBeUndefined();
    expect(await pipelineVae(join(folder, 'nothing'))).toBeUndefined();
  });
});

describe('an autoencoder is refused', () => {
  it('where there is none', async () => {
    await expect(openVae(join(folder, 'nothing'))).rejects.toThrow(InputError);
    const empty = await freshFolder();
    await expect(openVae(empty)).rejects.toThrow(/holds no model/);
  });

  it.each([
    [{ scaling_factor: 0 }, /scaling_factor must be above 0, not 0/],
    [{ scaling_factor: 'large' }, /scaling_factor must be above 0, not "large"/],
    [{ norm_num_groups: -1 }, /norm_num_groups must be above 0, not -1/],
    [{ shift_factor: 0.0609 }, /shift_factor \(0\.0609\) are not supported/],
  ])('with a config of %o', async (more, message) => {
    const path = await freshFolder();
    await writeTensor(join(path, 'diffusion_pytorch_model.safetensors'));
    await writeJson(join(path, 'config.json'), { ...CONFIG, ...more });
    await expect(openVae(path)).rejects.toThrow(ModelError);
    await expect(openVae(path)).rejects.toThrow(message);
  });
});
