import { basename, resolve } from 'node:path';
import { ArgumentError } from '@vq4dit/core';
import { METHODS, type Method, rateArguments } from './methods.ts';

/** Seeds for all bits, and others for some: `0;2=0,1,2`. */
export interface SeedPlan {
  readonly all: readonly number[];
  readonly byBits: ReadonlyMap<number, readonly number[]>;
}

/** What is measured of every cell; equal settings give comparable cells. */
export interface MeasureSettings {
  /** Images of a cell. */
  readonly samples: number;
  readonly sampler: 'ddpm' | 'ddim';
  readonly steps: number;
  readonly guidance: number;
  /** Seed of the evaluation's noise; the same for all cells. */
  readonly evalSeed: number;
  /** Steps and images of each label of the error along trajectories. */
  readonly errorSteps: number;
  readonly errorRepeats: number;
  /** Images of the headline cells; 0 for none. */
  readonly headlineSamples: number;
}

/** Arguments of every calibrated method; what is not given is the default of `quantize`. */
export interface CalibrationFlags {
  readonly trajectories?: number | undefined;
  readonly calibrationSteps?: number | undefined;
}

/** One model that is compared, and where its files are. */
export interface ComparedModel {
  readonly name: string;
  readonly path: string;
}

/** One line of the table before seeds are joined: the original, or a quantized model. */
export interface Cell {
  /** Also its folder: `demo/vq-2bit-seed0`. */
  readonly id: string;
  readonly model: ComparedModel;
  /** Undefined for the floating-point original. */
  readonly quantized?:
    | {
        readonly method: Method;
        readonly bits: number;
        readonly seed: number;
        /** Arguments of `quantize` after model and output. */
        readonly args: readonly string[];
      }
    | undefined;
  /** Whether it is also measured with more images. */
  readonly headline: boolean;
}

/** What the command line asks for. */
export interface CompareRequest {
  readonly models: readonly ComparedModel[];
  readonly methods: readonly string[];
  readonly bits: readonly number[];
  readonly seeds: SeedPlan;
  readonly headline: readonly string[];
  readonly calibration: CalibrationFlags;
}

/** The methods of a list of names. @throws ArgumentError for a name that is unknown */
export function methodsOf(names: readonly string[]): Method[] {
  return names.map((name) => {
    const found = METHODS.find((method) => method.name === name);
    if (!found) {
      const known = METHODS.map((method) => method.name).join(', ');
      throw new ArgumentError(`There is no method "${name}"; the methods are ${known}.`);
    }
    return found;
  });
}

/** All cells in the order in which they run: the originals, then the fewest bits first. */
export function planCells(request: CompareRequest): Cell[] {
  const { models, seeds, headline } = request;
  const methods = methodsOf(request.methods);
  const bits = [...request.bits].sort((a, b) => a - b);
  const cells: Cell[] = models.map((model) => ({
    ...{ id: `${model.name}/original`, model, headline: headline.length > 0 },
  }));
  for (const model of models) {
    for (const rate of bits) {
      const own = seeds.byBits.get(rate) ?? seeds.all;
      for (const [i, seed] of own.entries()) {
        for (const method of methods) {
          if (i > 0 && !method.seeded) continue;
          const args = argumentsOf(method, rate, seed, request.calibration);
          if (!args) continue;
          cells.push({
            id: `${model.name}/${method.name}-${rate}bit-seed${seed}`,
            model,
            quantized: { method, bits: rate, seed, args },
            headline: i === 0 && rate === bits[0] && headline.includes(method.name),
          });
        }
      }
    }
  }
  return cells;
}

function argumentsOf(
  method: Method,
  bits: number,
  seed: number,
  { trajectories, calibrationSteps }: CalibrationFlags,
): string[] | undefined {
  const rate = rateArguments(method, bits);
  if (!rate) return undefined;
  const budget = [
    ...(trajectories === undefined ? [] : ['--trajectories', String(trajectories)]),
    ...(calibrationSteps === undefined ? [] : ['--steps', String(calibrationSteps)]),
  ];
  const calibration = method.calibrated ? budget : [];
  return [
    '--method',
    method.method,
    ...rate,
    ...method.args,
    '--seed',
    String(seed),
    ...calibration,
  ];
}

/** Models under names that differ, so that each has a folder of its own. */
export function namedModels(paths: readonly string[]): ComparedModel[] {
  const names = new Set<string>();
  return paths.map((path) => {
    const start = basename(resolve(path)).replace(/\.(pt|pth|safetensors)$/, '');
    const plain = start.replace(/[^\w.-]+/g, '-');
    let name = plain;
    for (let i = 2; names.has(name); i++) name = `${plain}-${i}`;
    names.add(name);
    return { name, path };
  });
}
