import { ArgumentError, type QuantizedSize } from '@vq4dit/core';
import { type DiTConfig, ditConfigToJson, expectedTensors } from '@vq4dit/dit';
import { quote } from '../io/describe.ts';
import { QUANT_METHOD, type QuantizedLayerInfo, SCHEME_VERSION } from './format.ts';
import type { ArtefactJob } from './job.ts';
import { encodeLayerTable } from './layer-table.ts';
import { quantizationConfigToJson } from './quantization-config.ts';

/** Parameters of a model, the position embedding included. */
export function parameterCount(config: DiTConfig): number {
  let total = 0;
  for (const shape of expectedTensors(config).values()) {
    total += shape.reduce((product, size) => product * size, 1);
  }
  return total;
}

/** The metadata strings of the tensor file. No time, no path: equal runs give equal bytes. */
export function describeTensors(
  job: ArtefactJob,
  layers: readonly QuantizedLayerInfo[],
  size: QuantizedSize,
  sourceSha256: string,
): Record<string, string> {
  const metadata = {
    format: QUANT_METHOD,
    format_version: String(versionOf(job)),
    producer: job.producer ?? QUANT_METHOD,
    method: job.method,
    seed: String(job.seed),
    source_sha256: sourceSha256,
    total_parameters: String(parameterCount(job.model.config)),
    true_bits_per_weight: size.bitsPerWeight.toFixed(6),
    layers: encodeLayerTable(layers),
  };
  for (const key of Object.keys(job.metadata ?? {})) {
    if (Object.hasOwn(metadata, key)) {
      throw new ArgumentError(`The metadata string ${quote(key)} is the format's own.`);
    }
  }
  return { ...job.metadata, ...metadata };
}

function versionOf({ uniform }: ArtefactJob): number {
  return uniform ? SCHEME_VERSION.uniform : SCHEME_VERSION.codebook;
}

/** The content of `config.json`. */
export function describeModel(
  job: ArtefactJob,
  layers: readonly QuantizedLayerInfo[],
): Record<string, unknown> {
  const { model, codewords, subvector, method, candidates = 1 } = job;
  const quantized = new Set(layers.map(({ name }) => name));
  const quantization = {
    formatVersion: versionOf(job),
    method,
    bits: Math.log2(codewords) / subvector,
    codewords,
    subvector,
    codebookDType: job.codebookDType ?? 'F16',
    candidates,
    ...(job.uniform && { uniform: job.uniform }),
    modulesNotConverted: [...expectedTensors(model.config).keys()]
      .filter((name) => name.endsWith('.weight'))
      .map((name) => name.slice(0, -'.weight'.length))
      .filter((name) => !quantized.has(name)),
  };
  return {
    ...ditConfigToJson(model.config, model.classNames),
    quantization_config: quantizationConfigToJson(quantization, layers),
  };
}
