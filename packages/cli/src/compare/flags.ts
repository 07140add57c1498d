import { InvalidArgumentError } from 'commander';
import type { GlobalOptions } from '../context.ts';
import { integer } from '../terminal/parse.ts';
import type { SeedPlan } from './plan.ts';

/** `compare` as it is typed. */
export interface CompareFlags extends GlobalOptions {
  out: string;
  methods?: string[];
  bits?: number[];
  seeds?: SeedPlan;
  samples?: number;
  headline?: string[];
  headlineSamples?: number;
  sampler: 'ddpm' | 'ddim';
  steps?: number;
  guidance: number;
  evalSeed: number;
  errorSteps?: number;
  errorRepeats?: number;
  trajectories?: number;
  calibrationSteps?: number;
  network?: string;
  reference?: string;
  vae?: string;
  config?: string;
  quick?: boolean;
  finished?: boolean;
  concurrency?: number;
}

/** What is done where nothing is said: the whole table, or a quick one. */
export const DEFAULTS = {
  full: {
    bits: [4, 3, 2],
    seeds: { all: [0], byBits: new Map([[2, [0, 1, 2]]]) } as SeedPlan,
    ...{ samples: 2000, headlineSamples: 10_000, steps: 20, errorSteps: 20, errorRepeats: 4 },
    headline: ['vq', 'vq-codebook', 'paper', 'best'],
    ...{ trajectories: undefined, calibrationSteps: undefined, concurrency: 1 },
  },
  quick: {
    bits: [4, 3, 2],
    seeds: { all: [0], byBits: new Map() } as SeedPlan,
    ...{ samples: 200, headlineSamples: 0, steps: 8, errorSteps: 8, errorRepeats: 1 },
    headline: [] as string[],
    ...{ trajectories: 2, calibrationSteps: 10, concurrency: 2 },
  },
} as const;

/** The command as one would type it, without what cannot change a figure. */
export function commandText(models: readonly string[], flags: CompareFlags): string {
  const list = (values: readonly (string | number)[] | undefined) => values?.join(',');
  const seedText =
    flags.seeds &&
    [
      flags.seeds.all.join(','),
      ...[...flags.seeds.byBits].map(([bits, own]) => `${bits}=${own.join(',')}`),
    ].join(';');
  const options: [string, string | number | undefined][] = [
    ['methods', list(flags.methods)],
    ['bits', list(flags.bits)],
    ['seeds', seedText && `"${seedText}"`],
    ['samples', flags.samples],
    ['headline', list(flags.headline)],
    ['headline-samples', flags.headlineSamples],
    ['sampler', flags.sampler === 'ddim' ? undefined : flags.sampler],
    ['steps', flags.steps],
    ['guidance', flags.guidance === 1 ? undefined : flags.guidance],
    ['eval-seed', flags.evalSeed === 0 ? undefined : flags.evalSeed],
    ['error-steps', flags.errorSteps],
    ['error-repeats', flags.errorRepeats],
    ['trajectories', flags.trajectories],
    ['calibration-steps', flags.calibrationSteps],
    ['concurrency', flags.concurrency],
    ['backend', flags.backend],
  ];
  const given = options.flatMap(([name, value]) =>
    value === undefined ? [] : `--${name} ${value}`,
  );
  return ['vq4dit compare', ...models, ...(flags.quick ? ['--quick'] : []), ...given].join(' ');
}

/** A list of names. */
export const names = (text: string) => unique(text.split(',').map((part) => part.trim()));
/** A list of bits. */
export const integers = (text: string) =>
  unique(text.split(',').map((part) => integer(1, 8)(part.trim())));

function unique<T>(values: readonly T[]): T[] {
  if (new Set(values).size !== values.length) {
    throw new InvalidArgumentError('A value comes twice.');
  }
  return [...values];
}

/** `0;2=0,1,2` */
export function seeds(text: string): SeedPlan {
  const list = (part: string) => unique(part.split(',').map((seed) => integer(0)(seed.trim())));
  const [first, ...others] = text.split(';');
  const byBits = others.map((part): [number, number[]] => {
    const [bits, own] = part.split('=');
    if (own === undefined) throw new InvalidArgumentError('After ";" comes <bits>=<seeds>.');
    return [integer(1, 8)(bits!.trim()), list(own)];
  });
  return { all: list(first!), byBits: new Map(byBits) };
}
