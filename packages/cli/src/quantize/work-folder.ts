import { createHash } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  openSafetensors,
  type TensorToWrite,
  writeFileAtomic,
  writeSafetensors,
} from '@vq4dit/checkpoint';
import {
  ArgumentError,
  type CalibrationState,
  type LayerState,
  OutputError,
  type ParameterState,
  VqWeight,
} from '@vq4dit/core';
import type { LayerPlan } from './layers.ts';

type Arrays = Map<string, Float32Array | Int32Array>;

/**
 * Where a running job keeps what it has finished: one file per quantized layer and the state of the
 * calibration after its last trajectory. It is removed when the artefact is complete.
 *
 * Every file is written whole or not at all, so a run may be killed at any time.
 */
export class WorkFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Opens the folder of an earlier run of the same job, or makes a new one.
   *
   * @param identity all that decides the result: settings and the hash of the source
   * @throws ArgumentError where another job has left its work there
   */
  static async open(path: string, identity: unknown): Promise<WorkFolder> {
    const text = `${JSON.stringify(identity, null, 2)}\n`;
    const file = join(path, 'job.json');
    const found = await readFile(file, 'utf8').catch(() => undefined);
    if (found === text) return new WorkFolder(path);
    if (found !== undefined) {
      throw new ArgumentError(
        `${path} holds the unfinished work of another job (other settings or another model); finish that job, choose another output, or remove the folder.`,
      );
    }
    try {
      await mkdir(path, { recursive: true });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new OutputError(`${path} could not be made: ${reason}.`);
    }
    await writeFileAtomic(file, [new TextEncoder().encode(text)]);
    return new WorkFolder(path);
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }

  /** A layer that was finished before, or undefined. */
  async readLayer(plan: LayerPlan): Promise<VqWeight | undefined> {
    const arrays = await this.read(layerFile(plan.name));
    if (!arrays) return undefined;
    const codes = Uint16Array.from(arrays.get('codes') as Int32Array);
    return new VqWeight({ ...plan, codebook: arrays.get('codebook') as Float32Array, codes });
  }

  writeLayer(weight: VqWeight): Promise<void> {
    return this.write(
      layerFile(weight.name),
      new Map<string, Float32Array | Int32Array>([
        ['codebook', weight.codebook],
        ['codes', Int32Array.from(weight.codes)],
      ]),
      {},
    );
  }

  /** The calibration after its last finished trajectory, or undefined. */
  async readCalibration(): Promise<CalibrationState | undefined> {
    const arrays = await this.read(CALIBRATION);
    if (!arrays) return undefined;
    const layers = new Map<string, LayerState>();
    for (const key of arrays.keys()) {
      const name = key.slice(0, key.lastIndexOf('/'));
      if (!layers.has(name)) layers.set(name, layerState(arrays, name));
    }
    layers.delete('progress');
    return { trajectories: (arrays.get('progress/trajectories') as Int32Array)[0]!, layers };
  }

  writeCalibration(state: CalibrationState): Promise<void> {
    const arrays: Arrays = new Map([['progress/trajectories', Int32Array.of(state.trajectories)]]);
    for (const [name, layer] of state.layers) {
      for (const part of PARAMETERS) {
        const parameter = layer[part];
        if (!parameter) continue;
        arrays.set(`${name}/${part}.value`, parameter.value);
        arrays.set(`${name}/${part}.square`, parameter.square);
      }
      if (layer.frozen) arrays.set(`${name}/frozen`, layer.frozen);
      if (layer.choice) arrays.set(`${name}/choice`, layer.choice);
    }
    return this.write(CALIBRATION, arrays, {});
  }

  private async read(name: string): Promise<Arrays | undefined> {
    const path = join(this.path, name);
    const present = await readFile(path, { flag: 'r' }).then(
      () => true,
      () => false,
    );
    if (!present) return undefined;
    const file = await openSafetensors(path);
    try {
      const arrays: Arrays = new Map();
      for (const tensor of file.names()) {
        const isIndex = file.entry(tensor).dtype === 'I32';
        arrays.set(tensor, isIndex ? await file.readInt32(tensor) : await file.readFloat32(tensor));
      }
      return arrays;
    } finally {
      await file.close();
    }
  }

  private write(name: string, arrays: Arrays, metadata: Record<string, string>): Promise<void> {
    const tensors = [...arrays].map(
      ([tensor, values]): TensorToWrite => ({
        name: tensor,
        dtype: values instanceof Int32Array ? 'I32' : 'F32',
        shape: [values.length],
        data: () => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
      }),
    );
    return writeSafetensors(join(this.path, name), tensors, metadata);
  }
}

const CALIBRATION = 'calibration.safetensors';
const PARAMETERS = ['codebook', 'bias', 'logits'] as const;

/** Layer names may hold any character; their hash is a safe file name. */
function layerFile(name: string): string {
  return `layer-${createHash('sha256').update(name).digest('hex').slice(0, 16)}.safetensors`;
}

function layerState(arrays: Arrays, name: string): LayerState {
  const parameter = (part: string): ParameterState | undefined => {
    const value = arrays.get(`${name}/${part}.value`);
    const square = arrays.get(`${name}/${part}.square`);
    return value && square
      ? { value: value as Float32Array, square: square as Float32Array }
      : undefined;
  };
  const logits = parameter('logits');
  const frozen = arrays.get(`${name}/frozen`) as Float32Array | undefined;
  const choice = arrays.get(`${name}/choice`) as Int32Array | undefined;
  return {
    codebook: parameter('codebook')!,
    bias: parameter('bias')!,
    ...(logits && { logits }),
    ...(frozen && { frozen }),
    ...(choice && { choice }),
  };
}
