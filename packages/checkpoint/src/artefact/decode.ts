import { join } from 'node:path';
import { DTypeError, NonFiniteError } from '@vq4dit/core';
import { ditConfigToJson, expectedTensors, positionEmbedding } from '@vq4dit/dit';
import { encodeFloat16 } from '../half/float16.ts';
import { writeFileAtomic } from '../io/atomic-file.ts';
import { writeFolderAtomic } from '../io/atomic-folder.ts';
import { quote } from '../io/describe.ts';
import { diffusersConfigToJson } from '../model/diffusers-config.ts';
import { diffusersTensors } from '../model/diffusers-names.ts';
import type { KeyNames, ModelFile } from '../model/model-file.ts';
import { type TensorToWrite, writeSafetensors } from '../safetensors/write.ts';
import { littleEndianBytes } from '../tensor/decode.ts';
import { ARTEFACT_TENSORS, CONFIG_FILE } from './format.ts';

/** Options of {@link decodeArtefact}. */
export interface DecodeOptions {
  /**
   * Dtype of all tensors. By default decoded layers are F32 and every other tensor keeps the dtype
   * that it is stored in.
   */
  readonly dtype?: 'F32' | 'F16';
  /** Default `facebook`: the names of the original checkpoints. */
  readonly keyNames?: KeyNames;
  readonly signal?: AbortSignal;
  /** Told after each tensor. */
  readonly onTensor?: (progress: { tensor: string; done: number; total: number }) => void;
}

/**
 * Writes a model as a plain checkpoint, atomically and one tensor at a time: quantized layers are
 * reconstructed, everything else is copied. Where `out` ends in `.safetensors` it becomes one file,
 * otherwise a folder with a `config.json`. A plain checkpoint can be written too, to change its key
 * names or its dtype.
 *
 * With the names of diffusers, every block carries its copy of the embedders, and the model must be
 * one that diffusers has. (diffusers computes slightly other frequencies for the timestep embedding
 * than the original program, for every DiT that is loaded there.)
 *
 * @throws ModelError where diffusers has no such model
 * @throws NonFiniteError where F16 is asked for and has no finite number for a weight
 * @throws OutputError where the output cannot be written
 * @throws InterruptedError where the signal is aborted
 */
export async function decodeArtefact(
  model: ModelFile,
  out: string,
  options: DecodeOptions = {},
): Promise<void> {
  const { keyNames = 'facebook', signal } = options;
  const { config, classNames } = model;
  // Also for a single file: refuses what diffusers does not have.
  const json =
    keyNames === 'diffusers'
      ? diffusersConfigToJson(config, classNames)
      : ditConfigToJson(config, classNames);
  const plain = facebookTensors(model, options.dtype);
  const tensors = keyNames === 'diffusers' ? renamed(plain, config.depth) : plain;
  const write = (path: string) =>
    // Hugging Face's loaders ask for this string.
    writeSafetensors(path, reported(tensors, options), { format: 'pt' }, signal ? { signal } : {});
  if (out.endsWith('.safetensors')) return write(out);
  await writeFolderAtomic(
    out,
    async (folder) => {
      const name =
        keyNames === 'diffusers' ? 'diffusion_pytorch_model.safetensors' : ARTEFACT_TENSORS;
      await write(join(folder, name));
      const text = `${JSON.stringify(json, undefined, 2)}\n`;
      await writeFileAtomic(join(folder, CONFIG_FILE), [Buffer.from(text, 'utf8')]);
    },
    signal ? { signal } : {},
  );
}

/** All tensors of the model; a missing position embedding is computed, because the original needs it. */
function facebookTensors(model: ModelFile, dtype: DecodeOptions['dtype']): TensorToWrite[] {
  const tensors: TensorToWrite[] = [];
  for (const [name, shape] of expectedTensors(model.config)) {
    const stored = model.has(name) ? model.entry(name).dtype : 'F32';
    const values = async () =>
      model.has(name) ? model.readFloat32(name) : positionEmbedding(model.config);
    const same = dtype === undefined || dtype === stored;
    tensors.push({
      name,
      shape,
      dtype: dtype ?? stored,
      data: async () => {
        if (same && model.has(name)) return (await model.read(name)).data;
        return encode(await values(), dtype ?? 'F32', `${model.name}: tensor ${quote(name)}`);
      },
    });
  }
  return tensors;
}

function encode(values: Float32Array, dtype: 'F32' | 'F16', what: string): Uint8Array {
  if (dtype === 'F32') return littleEndianBytes(values);
  const halves = encodeFloat16(values);
  const bad = halves.findIndex((half) => (half & 0x7c00) === 0x7c00);
  if (bad >= 0) {
    throw new NonFiniteError(
      `${what} holds ${values[bad]} at element ${bad}, which has no finite float16; write float32 instead.`,
    );
  }
  return littleEndianBytes(halves);
}

/**
 * The same tensors under the names of diffusers; q, k and v are cut out of `attn.qkv`. That is
 * decoded once and kept until its last part is written, which the order of the file, by names,
 * makes soon: never more than one block's at a time.
 */
function renamed(tensors: readonly TensorToWrite[], depth: number): TensorToWrite[] {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const kept = new Map<string, { readonly bytes: Uint8Array; left: number }>();
  return diffusersTensors([...byName.keys()], depth).map(({ name, from, part, parts }) => {
    const { dtype, shape, data } = byName.get(from)!;
    return {
      name,
      dtype,
      shape: [shape[0]! / parts, ...shape.slice(1)],
      data: async () => {
        if (parts === 1) return data();
        const whole = kept.get(from) ?? { bytes: await bytesOf(data, from), left: parts };
        whole.left--;
        if (whole.left > 0) kept.set(from, whole);
        else kept.delete(from);
        const length = whole.bytes.byteLength / parts;
        return whole.bytes.subarray(part * length, (part + 1) * length);
      },
    };
  });
}

async function bytesOf(data: TensorToWrite['data'], name: string): Promise<Uint8Array> {
  const bytes = await data();
  if (!(bytes instanceof Uint8Array)) throw new DTypeError(`${name} comes in pieces.`);
  return bytes;
}

function reported(
  tensors: readonly TensorToWrite[],
  { onTensor }: DecodeOptions,
): readonly TensorToWrite[] {
  if (!onTensor) return tensors;
  let done = 0;
  return tensors.map((tensor) => ({
    ...tensor,
    data: async () => {
      const data = await tensor.data();
      done++;
      onTensor({ tensor: tensor.name, done, total: tensors.length });
      return data;
    },
  }));
}
