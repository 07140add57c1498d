import { deflateSync } from 'node:zlib';
import type { Block, Page } from '../src/index.ts';

/** A grey PNG of one pixel whose check sums are left at zero: only its header is looked at here. */
export function tinyPng(): Uint8Array {
  const chunk = (name: string, data: Uint8Array) => {
    const bytes = Buffer.alloc(12 + data.length);
    bytes.writeUInt32BE(data.length);
    bytes.write(name, 4, 'latin1');
    bytes.set(data, 8);
    return bytes;
  };
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const header = Buffer.from([0, 0, 0, 3, 0, 0, 0, 2, 8, 0, 0, 0, 0]);
  const pixels = deflateSync(Buffer.from([0, 1, 2, 3, 0, 4, 5, 6]));
  return new Uint8Array(
    Buffer.concat([
      signature,
      chunk('IHDR', header),
      chunk('IDAT', pixels),
      chunk('IEND', Buffer.of()),
    ]),
  );
}

/** A page with every kind of block, in which every string is `name(i)` for some i. */
export function pageOf(name: (i: number) => string): Page {
  let next = 0;
  const text = () => name(next++);
  const axis = () => ({ label: text() });
  const chart = () => ({ title: text(), caption: text() });
  const curve = (f: number) => ({
    name: text(),
    points: [1, 2, 4].map((x) => ({ x, y: f * x, low: 0.9 * f * x, high: 1.2 * f * x })),
  });
  const blocks: Block[] = [
    { kind: 'text', text: text() },
    {
      kind: 'table',
      caption: text(),
      columns: [text(), { title: text(), digits: 2 }],
      rows: [
        [text(), 1.234],
        [{ value: text(), strong: true }, null],
      ],
    },
    { kind: 'line', ...chart(), x: axis(), y: axis(), series: [curve(1), curve(2)] },
    {
      kind: 'scatter',
      ...chart(),
      x: { label: text(), scale: 'log' },
      y: axis(),
      points: [1, 100].map((x) => ({ x, y: x, label: text(), series: text() })),
    },
    {
      kind: 'heatmap',
      ...chart(),
      value: axis(),
      rows: [text(), text()],
      columns: [text()],
      values: [[1], [null]],
    },
    {
      kind: 'bars',
      ...chart(),
      value: axis(),
      bars: [3, 1].map((value) => ({ label: text(), value, group: text(), series: text() })),
    },
    { kind: 'histogram', ...chart(), x: axis(), series: [{ name: text(), values: [1, 2, 3] }] },
    {
      kind: 'images',
      ...chart(),
      rows: [{ label: text(), images: [{ png: tinyPng(), alt: text() }] }],
    },
  ];
  const section = { heading: text(), text: text(), blocks };
  return { title: text(), subtitle: text(), sections: [section] };
}
