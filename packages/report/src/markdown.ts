import { shownCells } from './blocks/table.ts';
import { printable } from './markup.ts';
import type { TableBlock } from './types.ts';

/** A table in Markdown as GitHub reads it; the same cells as in HTML. */
export function markdownTable(block: TableBlock): string {
  const { titles, rows } = shownCells(block);
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const right = titles.map((_, j) => rows.length > 0 && rows.every((row) => row[j]!.numeric));
  return [
    line(titles.map(escapeCell)),
    line(right.map((isRight) => (isRight ? '---:' : '---'))),
    ...rows.map((row) =>
      line(row.map(({ text, strong }) => (strong ? `**${escapeCell(text)}**` : escapeCell(text)))),
    ),
  ].join('\n');
}

/** A line break ends a row, a bar a cell; the rest are the characters that begin markup. */
function escapeCell(text: string): string {
  const oneLine = printable(text).replace(/\s+/g, ' ').trim();
  return oneLine.replace(/[\\`*_[\]<>|~&]/g, (character) => `\\${character}`);
}
