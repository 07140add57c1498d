import { ArgumentError, codeWidth, packCodes, UniformWeight, type VqWeight } from '@vq4dit/core';
import { expectedTensors } from '@vq4dit/dit';
import { decodeFloat16, encodeFloat16 } from '../half/float16.ts';
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
  scalesName,
  weightName,
  zerosName,
} from './format.ts';
import type { ArtefactJob } from './job.ts';
import { codesShape, uniformCodesShape } from './read-layer.ts';
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
    const encoded =
      weight instanceof UniformWeight
        ? await encodeUniform(weight, spool)
        : await encodeVq(weight, job, spool);
    tensors.push(...encoded.tensors);
    layers.push(encoded.layer);
    job.onLayer?.({ layer: name, done: i + 1, total: job.layers.length });
  }
  return { tensors, layers };
}

async function encodeVq(weight: VqWeight, job: ArtefactJob, spool: Spool) {
  const { name, rows, columns, groups, k, d } = weight;
  const { dtype, bytes } = encodeCodebook(weight.codebook, job.codebookDType ?? 'F16', name);
  const layer = { name, rows, columns, groups, k, d, codebookDType: dtype };
  const codes = await spool.keep(packCodes(weight.codes, codeWidth(k)));
  const tensors: TensorToWrite[] = [
    { name: codesName(name), dtype: 'U8', shape: codesShape(layer), data: codes },
    { name: codebookName(name), dtype, shape: [groups, k, d], data: () => bytes },
  ];
  return { layer, tensors };
}

/** Scales are stored as F16 where that loses nothing: the quantizers choose such scales. */
async function encodeUniform(weight: UniformWeight, spool: Spool) {
  const { name, rows, columns, bits, scaleRows, groupSize, groupsPerRow, scales } = weight;
  const halves = encodeFloat16(scales);
  const exact = decodeFloat16(halves).every((value, i) => value === scales[i]);
  const scaleDType = exact ? ('F16' as const) : ('F32' as const);
  const layer = { name, rows, columns, bits, scaleRows, groupSize, scaleDType };
  const scaleBytes = littleEndianBytes(exact ? halves : scales);
  const zeros = packCodes(weight.zeros, bits);
  const codes = await spool.keep(packCodes(weight.codes, bits));
  const tensors: TensorToWrite[] = [
    { name: codesName(name), dtype: 'U8', shape: uniformCodesShape(layer), data: codes },
    {
      name: scalesName(name),
      dtype: scaleDType,
      shape: [scaleRows, groupsPerRow],
      data: () => scaleBytes,
    },
    { name: zerosName(name), dtype: 'U8', shape: [zeros.length], data: () => zeros },
  ];
  return { layer, tensors };
}

function checkWeight(
  weight: VqWeight | UniformWeight,
  name: string,
  { model, uniform }: ArtefactJob,
): void {
  const [rows, columns] = model.entry(weightName(name)).shape;
  if (weight.name !== name || weight.rows !== rows || weight.columns !== columns) {
    throw new ArgumentError(
      `Layer ${quote(name)} [${rows}, ${columns}] cannot be replaced by ${quote(weight.name)} [${weight.rows}, ${weight.columns}].`,
    );
  }
  if (weight instanceof UniformWeight !== (uniform !== undefined)) {
    throw new ArgumentError(
      `Layer ${quote(name)} is not of the scheme that the artefact is written in, ${uniform ? 'uniform grids' : 'codebooks'}.`,
    );
  }
  if (weight instanceof UniformWeight) return;
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
