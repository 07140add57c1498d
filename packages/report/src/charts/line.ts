import * as Plot from '@observablehq/plot';
import type { Markup } from '../markup.ts';
import { formatNumber } from '../numbers.ts';
import type { LineBlock } from '../types.ts';
import { axis, coloured, draw, figure, legend, requireData, seriesScale } from './chart.ts';

/** Above this many points of a curve the points themselves are not marked. */
const MARKED = 40;

/** Curves with error bands. */
export function renderLine(block: LineBlock): Markup {
  const names = block.series.map(({ name }) => name);
  const points = block.series.flatMap(({ name, points }) =>
    points.map((point) => ({ ...point, name })),
  );
  requireData(block, points.length);
  const banded = points.filter(({ low, high }) => low !== undefined && high !== undefined);
  const ys = points.flatMap(({ y, low, high }) => [y, low ?? y, high ?? y]);
  const marked = points.length <= MARKED * names.length;
  const title = (p: (typeof points)[number]) =>
    `${p.name}: ${formatNumber(p.y)} at ${formatNumber(p.x)}`;
  const drawing = draw(block, {
    height: 360,
    grid: true,
    x: axis(
      block,
      block.x,
      points.map(({ x }) => x),
    ),
    y: axis(block, block.y, ys),
    color: seriesScale(names),
    marks: [
      Plot.areaY(banded, {
        x: 'x',
        y1: 'low',
        y2: 'high',
        fill: coloured('name'),
        fillOpacity: 0.2,
      }),
      Plot.lineY(points, { x: 'x', y: 'y', stroke: coloured('name'), strokeWidth: 2 }),
      ...(marked
        ? [Plot.dot(points, { x: 'x', y: 'y', fill: coloured('name'), r: 3, title })]
        : []),
    ],
  });
  return figure(block, [...legend(names), drawing], {
    columns: [
      'series',
      block.x.label,
      block.y.label,
      ...(banded.length > 0 ? ['low', 'high'] : []),
    ],
    rows: points.map(({ name, x, y, low, high }) => [
      name,
      x,
      y,
      ...(banded.length > 0 ? [low ?? null, high ?? null] : []),
    ]),
  });
}
