import { readFile } from 'node:fs/promises';
import type { Block } from '@vq4dit/report';
import type { CellResult } from './cell.ts';
import type { Row } from './rows.ts';

const MIB = 2 ** 20;
/** Curves that can still be told apart. */
const MOST_CURVES = 10;

const labelOf = ({ title, bits }: { title: string; bits?: number }) =>
  bits === undefined ? title : `${title}, ${bits} bit`;

/**
 * FID against size on disk, one point for each row. Points carry their bits alone: sizes of one rate
 * are nearly equal, so whole names would lie on each other; the legend has them.
 */
export function fidAgainstSize(rows: readonly Row[]): Block[] {
  const points = rows.flatMap((row) =>
    row.fid
      ? [
          {
            x: row.bytes.mean / MIB,
            y: row.fid.mean,
            label: `${row.bits ?? 32}`,
            series: row.title,
          },
        ]
      : [],
  );
  if (points.length === 0) return [];
  return [
    {
      ...{ kind: 'scatter', title: 'FID against size', points },
      caption:
        'A point carries its bits per weight. Further down and to the left is better; both axes are logarithmic.',
      x: { label: 'MiB on disk', scale: 'log' },
      y: { label: 'FID', scale: 'log' },
    },
  ];
}

/** Images of every row, first seed, from the same noise. */
export async function imageRows(rows: readonly Row[]): Promise<Block[]> {
  const shown = await Promise.all(
    rows.map(async (row) => ({
      label: labelOf(row),
      images: [{ png: await readFile(row.cells[0]!.grid), alt: `images drawn by ${labelOf(row)}` }],
    })),
  );
  return [
    {
      ...{ kind: 'images', title: 'Images from the same noise', rows: shown },
      caption: 'Each column has one class and one noise.',
    },
  ];
}

/** How much of each layer's weights is lost: a row for each layer, a column for each method. */
export function layerErrors(rows: readonly Row[]): Block[] {
  const shown = rows.filter(({ cells }) => cells[0]?.verify);
  const layers = shown[0]?.cells[0]?.verify?.result.layers.map(({ name }) => name) ?? [];
  if (layers.length === 0) return [];
  const blocks = shown[0]!.cells[0]!.verify!.result.errors.perBlock.length;
  const columns = shown.map(({ method, bits }) => `${method}, ${bits} bit`);
  const sqnr = layers.map((name) =>
    shown.map(({ cells }) => {
      const layer = cells[0]!.verify!.result.layers.find((one) => one.name === name);
      return layer?.sqnr ?? null;
    }),
  );
  const perBlock = Array.from({ length: blocks }, (_, i) =>
    shown.map(({ cells }) => positive(cells[0]!.verify!.result.errors.perBlock[i])),
  );
  return [
    {
      ...{ kind: 'heatmap', title: 'Weight error of each layer', rows: layers, columns },
      caption: 'Signal to quantization noise of the weights; more is better.',
      value: { label: 'SQNR in dB' },
      values: sqnr,
    },
    {
      ...{ kind: 'heatmap', title: 'Output error of each block', columns },
      rows: perBlock.map((_, i) => `block ${i}`),
      caption: "Mean squared error along the original's trajectories; less is better.",
      value: { label: 'block MSE', scale: 'log' },
      values: perBlock,
    },
  ];
}

/** Error of the predicted noise by timestep, for the methods of one rate. */
export function timestepErrors(rows: readonly Row[]): Block[] {
  const rates = [...new Set(rows.flatMap(({ bits }) => bits ?? []))].sort((a, b) => a - b);
  return rates.flatMap((bits): Block[] => {
    const series = rows
      .filter((row) => row.bits === bits && row.cells[0]?.verify)
      .slice(0, MOST_CURVES)
      .map(({ title, cells }) => ({ name: title, points: curveOf(cells[0]!) }))
      .filter(({ points }) => points.length > 0);
    if (series.length === 0) return [];
    return [
      {
        ...{ kind: 'line', title: `Error of the predicted noise by timestep, ${bits} bit`, series },
        caption:
          "Both models are given the images of the original's trajectories; sampling begins on the right.",
        x: { label: 'timestep' },
        y: { label: 'noise MSE', scale: 'log' },
      },
    ];
  });
}

function curveOf({ verify }: CellResult) {
  const { timesteps, epsPerTimestep } = verify!.result.errors;
  return timesteps
    .map((x, i) => ({ x, y: epsPerTimestep[i]! }))
    .filter(({ y }) => y > 0)
    .sort((a, b) => a.x - b.x);
}

/** How FID moves with the number of images, for the cells that were measured with more. */
export function fidAgainstImages(rows: readonly Row[]): Block[] {
  const series = rows.flatMap((row) =>
    row.cells.flatMap(({ headline }) => {
      const points = (headline?.result.curve ?? []).flatMap(({ images, fid }) => {
        const y = positive(fid);
        return y === null ? [] : [{ x: images, y }];
      });
      return points.length > 1 ? [{ name: labelOf(row), points }] : [];
    }),
  );
  if (series.length === 0) return [];
  return [
    {
      ...{ kind: 'line', title: 'FID of the first n images', series },
      caption:
        'FID falls with the number of images; compare figures of equal numbers only. Both axes are logarithmic.',
      x: { label: 'images', scale: 'log' },
      y: { label: 'FID', scale: 'log' },
    },
  ];
}

/** What a logarithmic scale can show. */
const positive = (value: number | undefined) => (value !== undefined && value > 0 ? value : null);
