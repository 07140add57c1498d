import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import MarkdownIt from 'markdown-it';

/** The workspace's root folder. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The linter's start script, to be run with the Node that runs the tool. */
export const biome = fileURLToPath(import.meta.resolve('@biomejs/biome/bin/biome'));

export const markdown = new MarkdownIt({ html: true });

/** Lines of a Markdown table; cells are Markdown already. */
export function tableLines(titles, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(titles), `|${'---|'.repeat(titles.length)}`, ...rows.map(line)];
}

/** Markdown files, relative to the root: tracked ones and new ones that git does not ignore. */
export function markdownFiles() {
  const args = ['ls-files', '-co', '--exclude-standard', '*.md'];
  const files = execFileSync('git', args, { cwd: root, encoding: 'utf8' }).split('\n');
  return files.filter((file) => file && existsSync(join(root, file)));
}
