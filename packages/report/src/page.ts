import { renderImages } from './blocks/images.ts';
import { renderTable } from './blocks/table.ts';
import { renderBars } from './charts/bars.ts';
import { renderHeatmap } from './charts/heatmap.ts';
import { renderHistogram } from './charts/histogram.ts';
import { renderLine } from './charts/line.ts';
import { renderScatter } from './charts/scatter.ts';
import { element, joined, Markup, paragraphs } from './markup.ts';
import { STYLE } from './style.ts';
import type { Block, Page } from './types.ts';

/** The file needs nothing from outside and runs nothing; a browser holds it to that. */
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/**
 * One HTML file: style, charts (SVG) and images are inside, there are no scripts, and it follows the
 * reader's choice of light or dark. Equal pages give equal bytes. All strings are text: none of them
 * can become a tag or an attribute.
 *
 * @throws ReportError if a chart has no data or a value that it cannot show, or an image is no PNG
 */
export function renderPage(page: Page): string {
  const head = element(
    'head',
    {},
    element('meta', { charset: 'utf-8' }),
    element('meta', { 'http-equiv': 'Content-Security-Policy', content: POLICY }),
    element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    element('title', {}, page.title),
    // The style is ours and holds no "<"; as text it would be escaped, which CSS does not undo.
    new Markup(`<style>${STYLE}</style>`),
  );
  const subtitle =
    page.subtitle === undefined ? [] : [element('p', { class: 'subtitle' }, page.subtitle)];
  const sections = page.sections.map(({ heading, text, blocks }) =>
    element(
      'section',
      {},
      element('h2', {}, heading),
      ...paragraphs(text ?? ''),
      ...blocks.map((block) => new Markup(joined(renderBlock(block)))),
    ),
  );
  const body = element('body', {}, element('h1', {}, page.title), ...subtitle, ...sections);
  return `<!doctype html>\n${element('html', { lang: 'en' }, head, body).html}\n`;
}

function renderBlock(block: Block): Markup[] {
  switch (block.kind) {
    case 'text':
      return paragraphs(block.text);
    case 'table':
      return [renderTable(block)];
    case 'line':
      return [renderLine(onOneLine(block))];
    case 'scatter':
      return [renderScatter(onOneLine(block))];
    case 'heatmap':
      return [renderHeatmap(onOneLine(block))];
    case 'bars':
      return [renderBars(onOneLine(block))];
    case 'histogram':
      return [renderHistogram(onOneLine(block))];
    case 'images':
      return [renderImages(block)];
  }
}

/** Labels of a chart stand on one line each, so line breaks in them are spaces. */
function onOneLine<T>(value: T): T {
  if (typeof value === 'string') return value.replace(/[\r\n]+/g, ' ') as T;
  if (Array.isArray(value)) return value.map(onOneLine) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [key, onOneLine(part)]),
  ) as T;
}
