import * as Plot from '@observablehq/plot';
import { ReportError } from '../errors.ts';
import type { Markup } from '../markup.ts';
import { formatNumber } from '../numbers.ts';
import type { HeatmapBlock } from '../types.ts';
import { axis, draw, figure, requireData, roomFor, WIDTH } from './chart.ts';

const ROW = 22;
/** Narrower cells than this many pixels hold no number. */
const NUMBERED = 46;
const SHADES = 64;

/** Colours from light (small) to dark (large); cells without a value are crossed out. */
export function renderHeatmap(block: HeatmapBlock): Markup {
  const { rows, columns, values } = block;
  if (values.length !== rows.length || values.some((row) => row.length !== columns.length)) {
    const wanted = `${rows.length} x ${columns.length}`;
    throw new ReportError(`The values of the heat map "${block.title}" are not ${wanted}.`);
  }
  const cells = values.flatMap((row, i) => row.map((value, j) => ({ i, j, value })));
  const known = cells.flatMap(({ i, j, value }) => (value === null ? [] : [{ i, j, value }]));
  requireData(block, known.length);
  const numbers = known.map(({ value }) => value);
  const { type } = axis(block, block.value, numbers) as { type: 'linear' | 'log' };
  const [low, high] = range(numbers);
  const color = { type, scheme: 'YlGnBu', domain: [low, high] } as const;
  const marginLeft = roomFor(rows);
  const cellWidth = (WIDTH - marginLeft - 20) / columns.length;
  // Slanted titles take less room where cells are narrower than their names.
  const slanted = columns.some((name) => 7 * name.length > cellWidth);
  const position = (value: number) =>
    type === 'log' ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  const title = ({ i, j, value }: (typeof cells)[number]) =>
    `${rows[i]}, ${columns[j]}: ${value === null ? 'no value' : formatNumber(value)}`;
  const map = draw(block, {
    height: ROW * rows.length + (slanted ? roomFor(columns, 120) : 30) + 6,
    marginLeft,
    marginTop: slanted ? roomFor(columns, 120) : 30,
    marginBottom: 6,
    marginRight: slanted ? 60 : 20,
    x: {
      type: 'band',
      domain: columns.map((_, j) => j),
      tickFormat: (j: number) => columns[j]!,
      axis: 'top',
      label: null,
      tickRotate: slanted ? -40 : 0,
    },
    y: {
      type: 'band',
      domain: rows.map((_, i) => i),
      tickFormat: (i: number) => rows[i]!,
      label: null,
    },
    color,
    marks: [
      Plot.cell(known, { x: 'j', y: 'i', fill: 'value', title, inset: 0.5 }),
      Plot.text(
        cells.filter(({ value }) => value === null),
        { x: 'j', y: 'i', text: () => '×', title },
      ),
      ...(cellWidth < NUMBERED
        ? []
        : [
            Plot.text(known, {
              x: 'j',
              y: 'i',
              text: ({ value }: (typeof known)[number]) => formatNumber(value, 2),
              fill: ({ value }: (typeof known)[number]) =>
                position(value) > 0.55 ? '#fff' : '#000',
              fontSize: 11,
            }),
          ]),
    ],
  });
  return figure(block, [colourScale(block, type, low, high), map], {
    columns: ['row', 'column', block.value.label],
    rows: cells.map(({ i, j, value }) => [rows[i]!, columns[j]!, value]),
  });
}

/** Smallest and largest value, apart at least a little: a scale needs a length. */
function range(numbers: readonly number[]): [number, number] {
  const low = numbers.reduce((a, b) => Math.min(a, b));
  const high = numbers.reduce((a, b) => Math.max(a, b));
  if (high > low) return [low, high];
  return low === 0 ? [0, 1] : [low, low + Math.abs(low)];
}

/** A strip of all colours over an axis. */
function colourScale(
  block: HeatmapBlock,
  type: 'linear' | 'log',
  low: number,
  high: number,
): Markup {
  const at = (share: number) =>
    type === 'log' ? low * (high / low) ** share : low + share * (high - low);
  const shades = Array.from({ length: SHADES }, (_, i) => ({
    x1: at(i / SHADES),
    x2: at((i + 1) / SHADES),
    value: at((i + 0.5) / SHADES),
  }));
  const scale = axis(block, block.value, [low, high]);
  const chart = { title: `Colours of "${block.title}"` };
  return draw(chart, {
    width: 320,
    height: 56,
    marginLeft: 20,
    marginTop: 0,
    marginBottom: 44,
    x: { ...scale, ticks: 4, domain: [low, high] },
    color: { type, scheme: 'YlGnBu', domain: [low, high] },
    marks: [Plot.rect(shades, { x1: 'x1', x2: 'x2', y1: 0, y2: 1, fill: 'value' })],
    y: { axis: null },
  });
}
