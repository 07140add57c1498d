import * as Plot from '@observablehq/plot';
import { ReportError } from '../errors.ts';
import type { Markup } from '../markup.ts';
import type { HistogramBlock } from '../types.ts';
import { axis, coloured, draw, figure, legend, requireData, seriesScale } from './chart.ts';

const BINS = 30;

/** Shares of the values in bins of equal width, one translucent area of bars for each series. */
export function renderHistogram(block: HistogramBlock): Markup {
  const all = block.series.flatMap(({ values }) => [...values]);
  requireData(block, all.length);
  const empty = block.series.find(({ values }) => values.length === 0);
  if (empty) throw new ReportError(`The series "${empty.name}" of "${block.title}" has no values.`);
  const count = block.bins ?? BINS;
  if (!Number.isInteger(count) || count < 1) {
    throw new ReportError(`"${block.title}" has ${count} bins; it needs a positive integer.`);
  }
  const x = axis(block, block.x, all);
  const low = all.reduce((a, b) => Math.min(a, b));
  const high = all.reduce((a, b) => Math.max(a, b));
  // Where all values are equal there is one bin around them.
  const width = high > low ? (high - low) / count : 1;
  const from = high > low ? low : low - 0.5;
  const bins = block.series.flatMap(({ name, values }) => {
    const counts = new Array<number>(high > low ? count : 1).fill(0);
    for (const value of values) {
      counts[Math.min(counts.length - 1, Math.floor((value - from) / width))]!++;
    }
    return counts.map((hits, i) => {
      const [x1, x2] = [from + i * width, from + (i + 1) * width];
      return { name, x1, x2, hits, share: hits / values.length };
    });
  });
  const names = block.series.map(({ name }) => name);
  const drawing = draw(block, {
    height: 320,
    x,
    y: { label: 'share of values', grid: true },
    color: seriesScale(names),
    marks: [
      Plot.rectY(bins, {
        x1: 'x1',
        x2: 'x2',
        y2: 'share',
        y1: 0,
        fill: coloured('name'),
        fillOpacity: names.length > 1 ? 0.55 : 1,
        title: (bin: (typeof bins)[number]) => `${bin.name}: ${bin.hits} values`,
      }),
      Plot.ruleY([0]),
    ],
  });
  return figure(block, [...legend(names), drawing], {
    columns: ['series', 'from', 'to', 'values'],
    rows: bins.map(({ name, x1, x2, hits }) => [name, x1, x2, hits]),
  });
}
