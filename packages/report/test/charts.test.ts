import { expect, test } from 'vitest';
import { type Block, ReportError, renderPage } from '../src/index.ts';
import { findAll } from './html.ts';
import { pageOf, tinyPng } from './pages.ts';

const render = (block: Block) =>
  renderPage({ title: 'Title', sections: [{ heading: 'Heading', blocks: [block] }] });
const numbersIn = (html: string, element: string, attribute: string) =>
  findAll(html)
    .attributes.filter((found) => found.element === element && found.name === attribute)
    .map(({ value }) => Number(value));

test('equal pages give equal bytes, whatever was drawn before', () => {
  const page = pageOf((i) => `name ${i}`);
  const first = renderPage(page);
  renderPage(pageOf((i) => `other ${i}`));
  expect(renderPage(page)).toBe(first);
});

test('every chart and image has a name for those who cannot see it', () => {
  const { attributes, structure } = findAll(renderPage(pageOf((i) => `name ${i}`)));
  const drawings = structure.filter((line) => line.startsWith('svg') && line.includes('role'));
  // Five charts, and the colour scale of the heat map.
  expect(drawings).toHaveLength(6);
  for (const line of drawings) expect(line).toContain('aria-label');
  expect(attributes.some(({ element, name }) => element === 'img' && name === 'alt')).toBe(true);
  expect(structure.filter((line) => line.startsWith('details'))).toHaveLength(5);
});

test('series keep their colours in every chart where an order is given', () => {
  const colours = (first: string, second: string) => {
    const bars = [first, second].map((series, i) => ({ label: series, value: 2 - i, series }));
    const seriesOrder = ['ours', 'peers'];
    const html = render({ kind: 'bars', title: 'B', value: { label: 'ms' }, bars, seriesOrder });
    return Object.fromEntries(
      ['ours', 'peers'].map((name) => {
        const bar = html.match(new RegExp(`<rect[^>]*fill="([^"]+)"[^>]*><title>${name}: `));
        return [name, bar?.[1]];
      }),
    );
  };
  const usual = colours('ours', 'peers');
  expect(usual.ours).toMatch(/^#/);
  expect(usual.peers).not.toBe(usual.ours);
  expect(colours('peers', 'ours')).toEqual(usual);
});

test('bars are as long as their values', () => {
  const bars = [4, 1, 2].map((value) => ({ label: `bar ${value}`, value }));
  const html = render({ kind: 'bars', title: 'Bars', value: { label: 'GB/s' }, bars });
  const widths = numbersIn(html, 'rect', 'width');
  // Coordinates are rounded to 0.01 pixels.
  expect(widths[0]! / widths[1]!).toBeCloseTo(4, 2);
  expect(widths[2]! / widths[1]!).toBeCloseTo(2, 2);
});

test('points of a logarithmic axis are equally far apart for equal ratios', () => {
  const points = [1, 10, 100].map((x) => ({ x, y: 1 + x, label: `point ${x}` }));
  const x = { label: 'MiB', scale: 'log' } as const;
  const html = render({ kind: 'scatter', title: 'FID', x, y: { label: 'FID' }, points });
  const places = [...html.matchAll(/transform="translate\(([\d.]+),[\d.]+\)"[^>]*><title>/g)];
  const [a, b, c] = places.map((match) => Number(match[1]));
  // Coordinates are rounded to 0.01 pixels.
  expect(Math.abs(b! - a! - (c! - b!))).toBeLessThan(0.05);
  expect(b! - a!).toBeGreaterThan(100);
});

test('series that are called like colours have those of their places', () => {
  const points = [1, 2].map((x) => ({ x, y: x }));
  const page = (names: string[]) => {
    const series = names.map((name) => ({ name, points }));
    const html = render({ kind: 'line', title: 'L', x: { label: 'x' }, y: { label: 'y' }, series });
    return findAll(html).attributes.filter(({ name }) => name === 'stroke' || name === 'fill');
  };
  expect(page(['red', 'none'])).toEqual(page(['first', 'second']));
});

test('a histogram counts every value once', () => {
  const values = Array.from({ length: 1000 }, (_, i) => Math.sin(i));
  const series = [{ name: 'sine', values }];
  const html = render({ kind: 'histogram', title: 'H', x: { label: 'x' }, series, bins: 7 });
  const counts = [...html.matchAll(/sine: (\d+) values/g)].map((match) => Number(match[1]));
  expect(counts).toHaveLength(7);
  expect(counts.reduce((a, b) => a + b)).toBe(1000);
});

test('images keep their size and bytes', () => {
  const png = tinyPng();
  const rows = [{ label: 'row', images: [{ png, alt: 'an image' }] }];
  const html = render({ kind: 'images', title: 'Images', rows, zoom: 4 });
  expect(numbersIn(html, 'img', 'width')).toEqual([12]);
  expect(numbersIn(html, 'img', 'height')).toEqual([8]);
  expect(html).toContain(Buffer.from(png).toString('base64'));
});

const chart = { title: 'The chart', x: { label: 'x' }, y: { label: 'y' } };
const bad: [string, Block, RegExp][] = [
  ['no points', { kind: 'scatter', ...chart, points: [] }, /"The chart" has no data/],
  ['NaN', { kind: 'scatter', ...chart, points: [{ x: 1, y: Number.NaN }] }, /"y" is NaN/],
  [
    'zero on a logarithmic axis',
    {
      kind: 'line',
      ...chart,
      y: { label: 'y', scale: 'log' },
      series: [{ name: 's', points: [{ x: 1, y: 0 }] }],
    },
    /"y" is 0 .* logarithmic/,
  ],
  ['a short row', { kind: 'table', columns: ['a', 'b'], rows: [['only one']] }, /has 1 cells/],
  [
    'a heat map of another size',
    {
      kind: 'heatmap',
      ...chart,
      value: { label: 'v' },
      rows: ['r'],
      columns: ['c'],
      values: [[1, 2]],
    },
    /are not 1 x 1/,
  ],
  [
    'two bars of one name',
    {
      kind: 'bars',
      ...chart,
      value: { label: 'v' },
      bars: [1, 2].map((value) => ({ label: 'b', value })),
    },
    /two bars "b"/,
  ],
  [
    'an image that is none',
    {
      kind: 'images',
      ...chart,
      rows: [{ label: 'r', images: [{ png: new Uint8Array(40), alt: 'a' }] }],
    },
    /"a" of "The chart" is not a PNG/,
  ],
];
test.each(bad)('%s: refused with a reason', (_, block, message) => {
  expect(() => render(block)).toThrow(ReportError);
  expect(() => render(block)).toThrow(message);
});
