import {
  isUniform,
  layerSize,
  type ModelFile,
  openModel,
  type QuantizedLayerInfo,
} from '@vq4dit/checkpoint';
import { sizeOf, totalQuantizedSize } from '@vq4dit/core';
import { ditConfigToJson } from '@vq4dit/dit';
import { Command } from 'commander';
import { type CommandContext, withContext } from '../context.ts';
import { sizeOnDisk } from '../model-size.ts';
import { formatBytes, formatTable } from '../terminal/reporter.ts';

export function inspectCommand(): Command {
  return new Command('inspect')
    .summary('say what is in a checkpoint or an artefact')
    .description('Reads headers only: the model, its tensors, and what is quantized how.')
    .argument('<file>', 'a checkpoint or a quantized artefact')
    .option('--config <file>', "JSON with the DiT's arguments, where the checkpoint has none")
    .option('--tensors', 'list every tensor')
    .action((path: string, flags: InspectFlags, command: Command) =>
      withContext(command, (context) => inspect(context, path, flags)),
    );
}

interface InspectFlags {
  config?: string;
  tensors?: boolean;
}

async function inspect(
  { reporter }: CommandContext,
  path: string,
  flags: InspectFlags,
): Promise<void> {
  const model = await openModel(path, flags.config ? { configPath: flags.config } : {});
  try {
    const bytes = await sizeOnDisk(path);
    const description = { path, bytes, ...describe(model) };
    reporter.result(description, () => textOf(description, flags.tensors ?? false));
  } finally {
    await model.close();
  }
}

function describe(model: ModelFile) {
  const tensors = model.names().map((name) => {
    const { shape, dtype } = model.entry(name);
    return { name, dtype, shape };
  });
  const layers = model.quantizedLayers().map((layer) => {
    const { bitsPerWeight, bytes } = layerSize(layer);
    return { ...layer, bitsPerWeight, bytes };
  });
  const total = totalQuantizedSize(model.quantizedLayers().map(layerSize));
  return {
    kind: model.kind,
    keyNames: model.keyNames,
    config: ditConfigToJson(model.config),
    classNames: model.classNames,
    parameters: tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    artefact: model.artefact,
    quantized: layers.length > 0 ? total : undefined,
    layers,
    extra: model.extra,
    tensors,
  };
}

function textOf(
  info: ReturnType<typeof describe> & { path: string; bytes: number },
  withTensors: boolean,
): string {
  const millions = (count: number) => `${(count / 1e6).toFixed(2)} million`;
  const lines = [
    `${info.path}: ${info.kind === 'artefact' ? 'quantized artefact' : 'checkpoint'} (${info.keyNames} names), ${formatBytes(info.bytes)}`,
    `Parameters: ${millions(info.parameters)}`,
    `Model: ${Object.entries(info.config)
      .map(([key, value]) => `${key}=${value}`)
      .join(' ')}`,
  ];
  if (info.quantized) {
    const { weights, bitsPerWeight, bytes } = info.quantized;
    lines.push(
      `Quantized: ${millions(weights)} weights in ${info.layers.length} layers, ${bitsPerWeight.toFixed(3)} bits per weight with ${info.artefact?.uniform ? 'scales and zero points' : 'codebooks'}, ${formatBytes(bytes)}`,
      formatTable(
        ['layer', 'shape', ...schemeTitles(info.artefact), 'dtype', 'bits/weight'],
        info.layers.map((layer) => [
          layer.name,
          `${layer.rows} x ${layer.columns}`,
          ...schemeCells(layer),
          layer.bitsPerWeight.toFixed(3),
        ]),
      ),
    );
  }
  if (info.extra.length > 0) lines.push(`Not used by the model: ${info.extra.join(', ')}`);
  if (withTensors) {
    lines.push(
      formatTable(
        ['tensor', 'dtype', 'shape'],
        info.tensors.map(({ name, dtype, shape }) => [name, dtype, shape.join(' x ')]),
      ),
    );
  }
  return lines.join('\n');
}

/** Columns that say how a layer is stored. */
const schemeTitles = (artefact: ModelFile['artefact']) =>
  artefact?.uniform ? ['bits', 'group', 'grids'] : ['codebooks', 'k', 'd'];

function schemeCells(layer: QuantizedLayerInfo): string[] {
  if (isUniform(layer)) {
    const grids = layer.scaleRows * Math.ceil(layer.columns / layer.groupSize);
    return [String(layer.bits), String(layer.groupSize), String(grids), layer.scaleDType];
  }
  return [String(layer.groups), String(layer.k), String(layer.d), layer.codebookDType];
}
