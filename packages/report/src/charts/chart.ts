import * as Plot from '@observablehq/plot';
import { renderTable } from '../blocks/table.ts';
import { ReportError } from '../errors.ts';
import { element, type Markup } from '../markup.ts';
import type { Axis, Chart, TableBlock } from '../types.ts';
import { document, serialize } from './svg.ts';

/** Width of all charts in CSS pixels; narrower screens shrink them. */
export const WIDTH = 760;

/** Twelve colours that differ in lightness as well as hue and stand out on white and on black. */
export const COLOURS =
  '#4269d0,#efb118,#ff725c,#6cc5b0,#3ca951,#ff8ab7,#a463f2,#97bbf5,#9c6b4e,#9498a0,#8b8b1a,#18a3c4'.split(
    ',',
  );

/** Draws with Observable Plot; the chart's title and caption are what a screen reader says of it. */
export function draw(chart: Chart, options: Plot.PlotOptions): Markup {
  const svg = Plot.plot({
    document: document as never,
    width: WIDTH,
    style: { fontSize: '12px' },
    marginLeft: 60,
    marginBottom: 44,
    ariaLabel: chart.title,
    ...(chart.caption !== undefined && { ariaDescription: chart.caption }),
    ...options,
    figure: false,
  });
  svg.setAttribute('role', 'img');
  return serialize(svg as never);
}

/** A figure with its title, its legend, its drawing, and its data as a table for all who want it. */
export function figure(
  chart: Chart,
  parts: readonly Markup[],
  data: Omit<TableBlock, 'kind'>,
): Markup {
  const caption = element('figcaption', {}, element('strong', {}, chart.title));
  const note = chart.caption === undefined ? [] : [element('p', {}, chart.caption)];
  const table = renderTable({ kind: 'table', ...data });
  const details = element('details', {}, element('summary', {}, 'Data'), table);
  return element('figure', {}, caption, ...note, ...parts, details);
}

/** Colours and names of the series of a chart; nothing where there is only one. */
export function legend(names: readonly string[]): Markup[] {
  if (names.length < 2) return [];
  const items = names.map((name, i) => {
    const square = { width: 12, height: 12, fill: colourOf(i) };
    const swatch = element(
      'svg',
      { width: 12, height: 12, 'aria-hidden': 'true' },
      element('rect', square),
    );
    return element('li', {}, swatch, ` ${name}`);
  });
  return [element('ul', { class: 'legend' }, ...items)];
}

/** The colour of the series with this index; after twelve they begin again. */
export function colourOf(index: number): string {
  return COLOURS[index % COLOURS.length]!;
}

/** A colour scale over series, in the order in which they first come. */
export function seriesScale(names: readonly string[]): Plot.ScaleOptions {
  return { domain: [...names], range: names.map((_, i) => colourOf(i)) };
}

/** Colours by the names in a field. Without `scale`, series called "red" would be painted red. */
export function coloured(field: string) {
  return { value: field, scale: 'color' } as const;
}

/** The options of an axis for the plotting library, after all its values have been checked. */
export function axis(
  chart: Chart,
  { label, scale }: Axis,
  values: readonly number[],
): Plot.ScaleOptions {
  for (const value of values) {
    if (!Number.isFinite(value)) {
      const what = `"${label}" is ${value}`;
      throw new ReportError(
        `A value of the chart "${chart.title}" is not a number: ${what}; leave it out.`,
      );
    }
    if (scale === 'log' && value <= 0) {
      throw new ReportError(
        `"${label}" is ${value} in the chart "${chart.title}", which a logarithmic axis cannot show.`,
      );
    }
  }
  // Powers of ten as they are, not as 100m or 10k, which are units of something else here.
  return { type: scale ?? 'linear', label, ...(scale === 'log' && { tickFormat: '~g' }) };
}

/** Refuses a chart without data. */
export function requireData(chart: Chart, count: number): void {
  if (count === 0) throw new ReportError(`The chart "${chart.title}" has no data to draw.`);
}

/** Room in pixels for the longest of some labels. */
export function roomFor(labels: readonly string[], atMost = 300): number {
  return Math.min(atMost, 20 + 7 * Math.max(0, ...labels.map((label) => label.length)));
}
