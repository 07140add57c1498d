import { ReportError } from '../errors.ts';
import { element, type Markup } from '../markup.ts';
import { formatNumber } from '../numbers.ts';
import type { Cell, TableBlock } from '../types.ts';

/** A cell as it is shown. */
export interface ShownCell {
  readonly text: string;
  readonly strong: boolean;
  readonly numeric: boolean;
}

/** A table's titles and cells as text, checked: every row has a cell for every column. */
export function shownCells(block: TableBlock): { titles: string[]; rows: ShownCell[][] } {
  const columns = block.columns.map((column) =>
    typeof column === 'string' ? { title: column } : column,
  );
  const rows = block.rows.map((row, i) => {
    if (row.length !== columns.length) {
      const sizes = `${row.length} cells where there are ${columns.length} columns`;
      throw new ReportError(`Row ${i} of the table "${block.caption ?? ''}" has ${sizes}.`);
    }
    return row.map((cell, j) => shown(cell, columns[j]!.digits));
  });
  return { titles: columns.map(({ title }) => title), rows };
}

function shown(cell: Cell, digits?: number): ShownCell {
  const { value, strong } =
    typeof cell === 'object' && cell !== null ? cell : { value: cell, strong: false };
  if (value === null) return { text: '–', strong, numeric: true };
  if (typeof value === 'string') return { text: value, strong, numeric: false };
  return { text: formatNumber(value, digits), strong, numeric: true };
}

/** A table that scrolls on its own where the page is too narrow. */
export function renderTable(block: TableBlock): Markup {
  const { titles, rows } = shownCells(block);
  // A column is set flush right if it holds numbers only.
  const right = titles.map((_, j) => rows.length > 0 && rows.every((row) => row[j]!.numeric));
  const align = (j: number) => ({ class: right[j] ? 'number' : undefined });
  const head = titles.map((title, j) => element('th', { scope: 'col', ...align(j) }, title));
  const body = rows.map((row) => element('tr', {}, ...row.map((cell, j) => td(cell, align(j)))));
  const caption = block.caption === undefined ? [] : [element('caption', {}, block.caption)];
  const table = element(
    'table',
    {},
    ...caption,
    element('thead', {}, element('tr', {}, ...head)),
    element('tbody', {}, ...body),
  );
  return element('div', { class: 'scroll', tabindex: 0 }, table);
}

function td(cell: ShownCell, attributes: { class: string | undefined }): Markup {
  return element('td', attributes, cell.strong ? element('strong', {}, cell.text) : cell.text);
}
