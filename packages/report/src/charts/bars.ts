import * as Plot from '@observablehq/plot';
import { ReportError } from '../errors.ts';
import type { Markup } from '../markup.ts';
import { formatNumber } from '../numbers.ts';
import type { BarsBlock } from '../types.ts';
import {
  axis,
  coloured,
  draw,
  figure,
  legend,
  requireData,
  roomFor,
  seriesScale,
} from './chart.ts';

const ROW = 20;

/** Horizontal bars with their values; groups stand one below the other on one scale. */
export function renderBars(block: BarsBlock): Markup {
  const bars = block.bars.map((bar) => ({ group: '', series: '', ...bar }));
  requireData(block, bars.length);
  const seen = new Set<string>();
  for (const { group, label } of bars) {
    const key = JSON.stringify([group, label]);
    if (seen.has(key)) throw new ReportError(`The chart "${block.title}" has two bars "${label}".`);
    seen.add(key);
  }
  const groups = [...new Set(bars.map(({ group }) => group))];
  const names = [...new Set([...(block.seriesOrder ?? []), ...bars.map(({ series }) => series)])];
  const ends = bars.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value]);
  const x = axis(block, block.value, ends);
  // A bar of a logarithmic axis has no natural start: half of the smallest value is as good as any.
  const start = block.value.scale === 'log' ? Math.min(...ends) / 2 : 0;
  const spread = bars.filter(({ low, high }) => low !== undefined && high !== undefined);
  const grouped = groups.length > 1;
  const rows = bars.length + (grouped ? groups.length : 0);
  const title = (bar: (typeof bars)[number]) => `${bar.label}: ${formatNumber(bar.value)}`;
  const position = { y: 'row', text: 'label' } as const;
  const placed = placeRows(bars, groups, grouped);
  const drawing = draw(block, {
    height: 40 + rows * ROW,
    marginLeft: roomFor([...bars.map(({ label }) => label), ...groups]),
    marginRight: 70,
    marginTop: 30,
    marginBottom: 6,
    x: { ...x, axis: 'top', grid: true },
    y: {
      type: 'band',
      axis: null,
      domain: Array.from({ length: rows }, (_, i) => i),
      padding: 0.15,
    },
    color: seriesScale(names),
    marks: [
      Plot.barX(placed, { x1: start, x2: 'value', y: 'row', fill: coloured('series'), title }),
      Plot.ruleY(
        placed.filter((bar) => spread.length > 0 && bar.low !== undefined),
        {
          x1: 'low',
          x2: 'high',
          y: 'row',
          strokeWidth: 1.5,
        },
      ),
      Plot.text(placed, { ...position, frameAnchor: 'left', dx: -6, textAnchor: 'end' }),
      Plot.text(placed, {
        x: (bar: (typeof placed)[number]) => Math.max(bar.value, bar.high ?? bar.value),
        y: 'row',
        text: (bar: (typeof placed)[number]) => formatNumber(bar.value, 3),
        dx: 5,
        textAnchor: 'start',
      }),
      ...(grouped
        ? [
            Plot.text(headings(bars, groups), {
              ...position,
              frameAnchor: 'left',
              dx: -6,
              textAnchor: 'end',
              fontWeight: 'bold',
            }),
          ]
        : []),
      Plot.ruleX([start]),
    ],
  });
  return figure(block, [...legend(names), drawing], {
    columns: [...(grouped ? ['group'] : []), 'label', 'series', block.value.label],
    rows: bars.map((bar) => [...(grouped ? [bar.group] : []), bar.label, bar.series, bar.value]),
  });
}

/** Bars in the order of their groups, each with its row; every group begins with a row for its name. */
function placeRows<T extends { group: string }>(
  bars: readonly T[],
  groups: readonly string[],
  grouped: boolean,
): (T & { row: number })[] {
  let row = 0;
  return groups.flatMap((group) => {
    if (grouped) row++;
    return bars.filter((bar) => bar.group === group).map((bar) => ({ ...bar, row: row++ }));
  });
}

function headings(bars: readonly { group: string }[], groups: readonly string[]) {
  let row = 0;
  return groups.map((group) => {
    const heading = { label: group, row };
    row += 1 + bars.filter((bar) => bar.group === group).length;
    return heading;
  });
}
