import type { CellResult, EvalReport } from './cell.ts';

/** Mean over seeds, and the deviation where there are several. */
export interface Measured {
  readonly mean: number;
  /** Of the seeds around the mean (n - 1); undefined for one seed. */
  readonly deviation?: number;
}

/** One line of the table: a method at one rate, all seeds together. */
export interface Row {
  readonly model: string;
  readonly method: string;
  readonly title: string;
  /** Nominal bits per weight; undefined for the original. */
  readonly bits?: number;
  readonly seeds: readonly number[];
  readonly trueBits: Measured;
  readonly bytes: Measured;
  readonly weightMse?: Measured;
  readonly blockMse?: Measured;
  readonly noiseMse?: Measured;
  readonly images: number;
  readonly fid?: Measured;
  readonly sfid?: Measured;
  readonly inceptionScore: Measured;
  readonly precision?: Measured;
  readonly recall?: Measured;
  readonly kid?: Measured;
  /** Against the original's images from the same noise, in dB. */
  readonly psnr?: Measured;
  readonly seconds?: Measured;
  /** Whether a stopped run makes `seconds` too short. */
  readonly resumed: boolean;
  readonly peakBytes?: Measured;
  readonly cells: readonly CellResult[];
}

/**
 * Joins the seeds of each method and rate.
 *
 * @param originalBytes size on disk of each model
 * @param psnr of each cell by its id
 */
export function rowsOf(
  results: readonly CellResult[],
  originalBytes: ReadonlyMap<string, number>,
  psnr: ReadonlyMap<string, number>,
): Row[] {
  const groups = new Map<string, CellResult[]>();
  for (const cell of results) {
    const key = [cell.model, cell.method, cell.bits].join('\0');
    groups.set(key, [...(groups.get(key) ?? []), cell]);
  }
  return [...groups.values()].map((cells) => {
    const [{ model, method, title, bits }] = cells as [CellResult];
    const over = (value: (cell: CellResult) => number | undefined) => measured(cells.map(value));
    const metric = (value: (report: EvalReport) => number | undefined) =>
      over(({ evaluation }) => value(evaluation.result));
    const part = <K extends string>(key: K, value: Measured | undefined) =>
      (value ? { [key]: value } : {}) as { [P in K]?: Measured };
    return {
      ...{ model, method, title, cells },
      ...(bits !== undefined && { bits }),
      seeds: cells.flatMap(({ seed }) => seed ?? []),
      trueBits: over(({ verify }) => verify?.result.bitsPerWeight ?? 32)!,
      bytes: over(({ quantize }) => quantize?.result.bytes ?? originalBytes.get(model))!,
      ...part(
        'weightMse',
        over(({ verify }) => verify?.result.total.mse),
      ),
      ...part(
        'blockMse',
        over(({ verify }) => verify?.result.errors.block),
      ),
      ...part(
        'noiseMse',
        over(({ verify }) => verify?.result.errors.eps),
      ),
      images: cells[0]!.evaluation.result.images,
      ...part(
        'fid',
        metric(({ fid }) => fid),
      ),
      ...part(
        'sfid',
        metric(({ sfid }) => sfid),
      ),
      inceptionScore: metric(({ inceptionScore }) => inceptionScore.mean)!,
      ...part(
        'precision',
        metric(({ precision }) => precision),
      ),
      ...part(
        'recall',
        metric(({ recall }) => recall),
      ),
      ...part(
        'kid',
        metric(({ kid }) => kid?.mean),
      ),
      ...part(
        'psnr',
        over(({ id }) => psnr.get(id)),
      ),
      ...part('seconds', over(secondsOf)),
      resumed: cells.some(({ quantize }) => quantize?.resumed ?? false),
      ...part(
        'peakBytes',
        over(({ quantize }) => quantize?.peakBytes),
      ),
    };
  });
}

/** Seconds of the quantization itself, without the start of the program. */
function secondsOf({ quantize }: CellResult): number | undefined {
  if (!quantize) return undefined;
  return Object.values(quantize.result.seconds).reduce((a, b) => a + b, 0);
}

/** Mean and deviation; undefined where a value is missing. */
export function measured(values: readonly (number | undefined)[]): Measured | undefined {
  const there = values.filter((value) => value !== undefined);
  if (there.length === 0 || there.length < values.length) return undefined;
  const mean = there.reduce((a, b) => a + b, 0) / there.length;
  if (there.length === 1) return { mean };
  const squares = there.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (there.length - 1)) };
}
