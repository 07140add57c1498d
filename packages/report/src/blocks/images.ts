import { ReportError } from '../errors.ts';
import { element, type Markup } from '../markup.ts';
import type { ImagesBlock, ReportImage } from '../types.ts';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Rows of images with their names, as a table whose images are part of the file. */
export function renderImages(block: ImagesBlock): Markup {
  const zoom = block.zoom ?? 1;
  if (!Number.isInteger(zoom) || zoom < 1) {
    throw new ReportError(
      `The zoom of "${block.title}" is ${zoom}; it must be a positive integer.`,
    );
  }
  const rows = block.rows.map(({ label, images }) => {
    const cells = images.map((image) => element('td', {}, renderImage(image, zoom, block.title)));
    return element('tr', {}, element('th', { scope: 'row' }, label), ...cells);
  });
  const table = element('table', { class: 'images' }, element('tbody', {}, ...rows));
  const caption = element('figcaption', {}, element('strong', {}, block.title));
  const note = block.caption === undefined ? [] : [element('p', {}, block.caption)];
  return element(
    'figure',
    {},
    caption,
    ...note,
    element('div', { class: 'scroll', tabindex: 0 }, table),
  );
}

function renderImage({ png, alt }: ReportImage, zoom: number, title: string): Markup {
  const { width, height } = sizeOf(png, `"${alt}" of "${title}"`);
  const base64 = Buffer.from(png.buffer, png.byteOffset, png.byteLength).toString('base64');
  const size = { width: width * zoom, height: height * zoom };
  return element('img', { src: `data:image/png;base64,${base64}`, alt, ...size });
}

/** Width and height stand at a fixed place: a PNG begins with its header chunk (PNG 3, 11.2.1). */
function sizeOf(png: Uint8Array, what: string): { width: number; height: number } {
  const isPng = png.length >= 33 && SIGNATURE.every((byte, i) => png[i] === byte);
  if (!isPng || String.fromCharCode(...png.subarray(12, 16)) !== 'IHDR') {
    throw new ReportError(`The image ${what} is not a PNG file.`);
  }
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  if (width === 0 || height === 0) throw new ReportError(`The image ${what} has no pixels.`);
  return { width, height };
}
