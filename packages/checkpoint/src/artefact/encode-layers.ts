import { ArgumentError, codeWidth, packCodes, type VqWeight } from '@vq4dit/core';
import { expectedTensors } from '@vq4dit/dit';
import { throwIfAborted } from '../io/atomic-file.ts';
import { quote } from '../io/describe.ts';
import type { TensorToWrite } from '../safetensors/write.ts';
import { littleEndianBytes } from '../tensor/decode.ts';
import { encodeCodebook } from './codebook.ts';
import {
  codebookName,
  codesName,
  MAX_SUBVECTOR,
  type QuantizedLayerInfo,
  weightName,
} from './format.ts';
import type { ArtefactJob } from './job.ts';
import { codesShape } from './read-layer.ts';
import type { Spool } from './spool.ts';

/** The tensors of all quantized layers, ready to write, and their descriptions. */
export interface EncodedLayers {
  readonly tensors: readonly TensorToWrite[];
  readonly layers: readonly QuantizedLayerInfo[];
}

/** Makes each layer once; codes go to the spool, the small codebooks stay in memory. */
export async function encodeLayers(
  path: string,
  job: ArtefactJob,
  spool: Spool,
): Promise<EncodedLayers> {
  const tensors: TensorToWrite[] = [];
  const layers: QuantizedLayerInfo[] = [];
  for (const [i, { name, load }] of job.layers.entries()) {
    throwIfAborted(path, job.signal);
    const weight = await load();
    checkWeight(weight, name, job);
    const { rows, columns, groups, k, d } = weight;
    const { dtype, bytes } = encodeCodebook(weight.codebook, job.codebookDType ?? 'F16', name);
    const layer = { name, rows, columns, groups, k, d, codebookDType: dtype };
    const codes = await spool.keep(packCodes(weight.codes, codeWidth(k)));
    tensors.push(
      { name: codesName(name), dtype: 'U8', shape: codesShape(layer), data: codes },
      { name: codebookName(name), dtype, shape: [groups, k, d], data: () => bytes },
    );
    layers.push(layer);
    job.onLayer?.({ layer: name, done: i + 1, total: job.layers.length });
  }
  return { tensors, layers };
}

function checkWeight(weight: VqWeight, name: string, { model }: ArtefactJob): void {
  const [rows, columns] = model.entry(weightName(name)).shape;
  if (weight.name !== name || weight.rows !== rows || weight.columns !== columns) {
    throw new ArgumentError(
      `Layer ${quote(name)} [${rows}, ${columns}] cannot be replaced by ${quote(weight.name)} [${weight.rows}, ${weight.columns}].`,
    );
  }
  if (weight.d > MAX_SUBVECTOR) {
    throw new ArgumentError(
      `Layer ${quote(name)} has sub-vectors of ${weight.d} weights; an artefact holds at most ${MAX_SUBVECTOR}.`,
    );
  }
}

/** Everything of the model that is not quantized: its own bytes, or what replaces them. */
export function keptTensors({ model, layers, biases }: ArtefactJob): TensorToWrite[] {
  const quantized = new Set(layers.map(({ name }) => weightName(name)));
  const kept: TensorToWrite[] = [];
  for (const [name, shape] of expectedTensors(model.config)) {
    const bias = biases?.get(name);
    if (quantized.has(name)) continue;
    if (bias) kept.push({ name, dtype: 'F32', shape, data: () => littleEndianBytes(bias) });
    else if (model.has(name)) {
      const { dtype } = model.entry(name);
      kept.push({ name, dtype, shape, data: async () => (await model.read(name)).data });
    }
  }
  return kept;
}
