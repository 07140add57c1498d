import * as Plot from '@observablehq/plot';
import type { Markup } from '../markup.ts';
import { formatNumber } from '../numbers.ts';
import type { ScatterBlock } from '../types.ts';
import { axis, coloured, draw, figure, legend, requireData, seriesScale } from './chart.ts';

/** Labelled points. Labels stand right of their points, or left of those in the right third. */
export function renderScatter(block: ScatterBlock): Markup {
  const points = block.points.map((point) => ({ label: '', series: '', ...point }));
  requireData(block, points.length);
  const names = [...new Set(points.map(({ series }) => series))];
  const position = (x: number) => (block.x.scale === 'log' ? Math.log(x) : x);
  const xs = points.map(({ x }) => x);
  const x = axis(block, block.x, xs);
  const [low, high] = [position(Math.min(...xs)), position(Math.max(...xs))];
  const isRight = (p: { x: number }) => position(p.x) > low + (2 / 3) * (high - low);
  const title = (p: (typeof points)[number]) =>
    `${[p.series, p.label].filter(Boolean).join(', ')}: ${formatNumber(p.x)}, ${formatNumber(p.y)}`;
  const text = { x: 'x', y: 'y', text: 'label', fill: 'currentColor' } as const;
  const drawing = draw(block, {
    height: 400,
    grid: true,
    // Points at an edge would otherwise be drawn over the axes.
    inset: 16,
    x,
    y: axis(
      block,
      block.y,
      points.map(({ y }) => y),
    ),
    color: seriesScale(names),
    symbol: { domain: names },
    marks: [
      Plot.dot(points, {
        x: 'x',
        y: 'y',
        fill: coloured('series'),
        symbol: { value: 'series', scale: 'symbol' },
        r: 5,
        title,
      }),
      Plot.text(
        points.filter((p) => !isRight(p)),
        { ...text, dx: 9, textAnchor: 'start' },
      ),
      Plot.text(points.filter(isRight), { ...text, dx: -9, textAnchor: 'end' }),
    ],
  });
  return figure(block, [...legend(names), drawing], {
    columns: ['label', 'series', block.x.label, block.y.label],
    rows: points.map((p) => [p.label, p.series, p.x, p.y]),
  });
}
