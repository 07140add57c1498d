import { createHash } from 'node:crypto';
import { access, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  openSafetensors,
  outputError,
  type TensorToWrite,
  writeFileAtomic,
  writeSafetensors,
} from '@vq4dit/checkpoint';
import {
  ArgumentError,
  type CalibrationState,
  type ChannelRanges,
  type LayerState,
  type ParameterState,
  UniformWeight,
  VqWeight,
} from '@vq4dit/core';
import type { LayerPlan } from './layers.ts';

/** A layer as its method leaves it, and as it is refined before the calibration. */
export type LayerStage = 'layer' | 'refined';

type Arrays = Map<string, Float32Array | Int32Array>;

/** A calibration that can go on, and where it has been. */
export interface KeptCalibration {
  readonly state: CalibrationState;
  /** Ids of the backends that computed it, in turn; each rounds otherwise. */
  readonly backends: readonly string[];
}

/**
 * Where a running job keeps what it has finished: one file per quantized layer, statistics that all
 * layers share, and the state of the calibration after its last trajectory. It is removed when the artefact is complete.
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
      throw outputError(path, error);
    }
    const work = new WorkFolder(path);
    try {
      await writeFileAtomic(file, [new TextEncoder().encode(text)]);
    } catch (error) {
      await work.removeIfUseless();
      throw error;
    }
    return work;
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }

  /** Removes the folder of a job that has finished nothing yet; to be called after a failure. */
  async removeIfUseless(): Promise<void> {
    const names = await readdir(this.path).catch(() => []);
    if (!names.some((name) => name.endsWith('.safetensors'))) await this.remove();
  }

  hasLayer({ name }: LayerPlan, stage: LayerStage = 'layer'): Promise<boolean> {
    return this.has(layerFile(name, stage));
  }

  /** The layers that no earlier run has finished. */
  async missing(plans: readonly LayerPlan[], stage?: LayerStage): Promise<LayerPlan[]> {
    const found: LayerPlan[] = [];
    for (const plan of plans) if (!(await this.hasLayer(plan, stage))) found.push(plan);
    return found;
  }

  /** A layer that was finished before, or undefined. */
  async readLayer(
    plan: LayerPlan,
    stage: LayerStage = 'layer',
  ): Promise<VqWeight | UniformWeight | undefined> {
    const arrays = (await this.read(layerFile(plan.name, stage)))?.arrays;
    if (!arrays) return undefined;
    const codes = arrays.get('codes') as Int32Array;
    const codebook = arrays.get('codebook') as Float32Array | undefined;
    if (codebook) return new VqWeight({ ...plan, codebook, codes: Uint16Array.from(codes) });
    const [bits, scaleRows, groupSize] = arrays.get('layout')!;
    return new UniformWeight({
      ...plan,
      ...{ bits: bits!, scaleRows: scaleRows!, groupSize: groupSize! },
      scales: arrays.get('scales') as Float32Array,
      zeros: Uint8Array.from(arrays.get('zeros')!),
      codes: Uint8Array.from(codes),
    });
  }

  writeLayer(weight: VqWeight | UniformWeight, stage: LayerStage = 'layer'): Promise<void> {
    const file = layerFile(weight.name, stage);
    const codes = Int32Array.from(weight.codes);
    if (weight instanceof VqWeight) {
      const arrays: Arrays = new Map([['codebook', weight.codebook]]);
      return this.write(file, arrays.set('codes', codes), {});
    }
    const { bits, scaleRows, groupSize, scales, zeros } = weight;
    const arrays: Arrays = new Map();
    arrays.set('layout', Int32Array.of(bits, scaleRows, groupSize));
    arrays.set('scales', scales).set('zeros', Int32Array.from(zeros)).set('codes', codes);
    return this.write(file, arrays, {});
  }

  /** Ranges of activations that were taken before, by layer. */
  async readRanges(): Promise<Map<string, ChannelRanges> | undefined> {
    const arrays = (await this.read(RANGES))?.arrays;
    if (!arrays) return undefined;
    const names = [...arrays.keys()].filter((key) => key.endsWith(LOW));
    const side = (name: string, end: string) => arrays.get(name + end) as Float32Array;
    return new Map(
      names
        .map((key) => key.slice(0, -LOW.length))
        .map((name) => [name, { low: side(name, LOW), high: side(name, HIGH) }]),
    );
  }

  writeRanges(ranges: ReadonlyMap<string, ChannelRanges>): Promise<void> {
    const arrays: Arrays = new Map();
    for (const [name, { low, high }] of ranges) arrays.set(name + LOW, low).set(name + HIGH, high);
    return this.write(RANGES, arrays, {});
  }

  /** Group sizes that were chosen before, by layer. */
  async readGroupSizes(): Promise<Map<string, number> | undefined> {
    const arrays = (await this.read(GROUP_SIZES))?.arrays;
    return arrays && new Map([...arrays].map(([name, [size]]) => [name, size!]));
  }

  writeGroupSizes(sizes: ReadonlyMap<string, number>): Promise<void> {
    const arrays: Arrays = new Map();
    for (const [name, size] of sizes) arrays.set(name, Int32Array.of(size));
    return this.write(GROUP_SIZES, arrays, {});
  }

  /** The calibration after its last finished trajectory, or undefined. */
  async readCalibration(): Promise<KeptCalibration | undefined> {
    const found = await this.read(CALIBRATION);
    if (!found) return undefined;
    const { arrays, metadata } = found;
    const layers = new Map<string, LayerState>();
    for (const key of arrays.keys()) {
      const name = key.slice(0, key.lastIndexOf('/'));
      if (!layers.has(name)) layers.set(name, layerState(arrays, name));
    }
    const backends = metadata.backend!.split(' ');
    return { state: { trajectories: Number(metadata.trajectories), layers }, backends };
  }

  writeCalibration({ state, backends }: KeptCalibration): Promise<void> {
    const arrays: Arrays = new Map();
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
    const trajectories = String(state.trajectories);
    return this.write(CALIBRATION, arrays, { backend: backends.join(' '), trajectories });
  }

  private has(name: string): Promise<boolean> {
    return access(join(this.path, name)).then(
      () => true,
      () => false,
    );
  }

  private async read(name: string) {
    if (!(await this.has(name))) return undefined;
    const path = join(this.path, name);
    const file = await openSafetensors(path);
    try {
      const arrays: Arrays = new Map();
      for (const tensor of file.names()) {
        const isIndex = file.entry(tensor).dtype === 'I32';
        arrays.set(tensor, isIndex ? await file.readInt32(tensor) : await file.readFloat32(tensor));
      }
      return { arrays, metadata: file.metadata };
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
const RANGES = 'ranges.safetensors';
const [LOW, HIGH] = ['/low', '/high'] as const;
const GROUP_SIZES = 'group-sizes.safetensors';
const PARAMETERS = ['codebook', 'bias', 'logits'] as const;

/** Layer names may hold any character; their hash is a safe file name. */
function layerFile(name: string, stage: LayerStage): string {
  return `${stage}-${createHash('sha256').update(name).digest('hex').slice(0, 16)}.safetensors`;
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
