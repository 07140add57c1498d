// Writes docs/support.md, the table of which backend computes which operation how, from one CSV file
// for each backend in docs/support:
//
//     npm run build
//     node tools/support-matrix.mjs                      write the page from the files
//     node tools/support-matrix.mjs --check              fail where the page is not what they say
//     node tools/support-matrix.mjs --refresh wasm ...   ask these backends first, by the command line
//
// That the files are what the backends say is tested in packages/cli, for all that start there, and in
// the browser tests of the backends that need a browser (VQ4DIT_REFRESH_SUPPORT=1 writes theirs).
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, tableLines } from './lib.mjs';
import { parseSupport, readSupport, supportFolder, writeSupport } from './support-csv.mjs';

const page = join(root, 'docs', 'support.md');
const [mode, ...ids] = process.argv.slice(2);
if (
  ![undefined, '--check', '--refresh'].includes(mode) ||
  (mode === '--refresh') !== ids.length > 0
) {
  console.error('Usage: node tools/support-matrix.mjs [--check | --refresh <backend>...]');
  process.exit(2);
}

for (const id of ids) {
  const program = join(root, 'packages', 'cli', 'bin', 'vq4dit.js');
  const args = ['conformance', 'support', '-b', id, '--output', 'csv'];
  const run = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
  if (run.status !== 0) {
    console.error(`${run.stderr.trim()}\nNothing was changed for ${id}.`);
    process.exit(1);
  }
  const rows = parseSupport(run.stdout);
  writeSupport(id, rows);
  console.log(`docs/support/${id}.csv: ${rows.length} rows.`);
}

const wanted = render(readAll());
if (mode === '--check') {
  const present = existsSync(page) ? readFileSync(page, 'utf8') : '';
  if (present !== wanted) {
    console.error('docs/support.md is stale; run "node tools/support-matrix.mjs" and commit it.');
    process.exit(1);
  }
  console.log('Support matrix: what the files in docs/support say.');
} else {
  writeFileSync(page, wanted);
  console.log('docs/support.md is written.');
}

function readAll() {
  const names = readdirSync(supportFolder).filter((name) => name.endsWith('.csv'));
  return names.sort().map((name) => {
    const id = name.slice(0, -'.csv'.length);
    return { id, rows: readSupport(id) };
  });
}

function render(backends) {
  const all = backends[0].rows;
  const ops = [...new Set(all.map((row) => row.op))];
  // What has to be there on every backend is "required" wherever it is not refused.
  const required = ops.filter((op) =>
    backends.some(({ rows }) => rows.some((row) => row.op === op && row.way === 'required')),
  );
  const table = (names, words) =>
    tableLines(
      ['operation', ...backends.map(({ id }) => id)],
      names.toSorted().map((op) => [`\`${op}\``, ...backends.map((b) => cell(b, op, words))]),
    );
  return `${[
    '# What each backend supports',
    '',
    '<!-- Written by tools/support-matrix.mjs from the files in docs/support. -->',
    '',
    'At the sizes of DiT-XL/2: its layers at 256 and 512 pixels, and the 1,327,104 sub-vectors of a',
    '4608 x 1152 matrix. `vq4dit conformance support -b <backend>` says the same for your machine,',
    'where limits may differ. A refusal is an error before anything runs; nothing moves to another',
    'device.',
    '',
    '## Operations that core composes where a backend has no kernel',
    '',
    '**fused**: a kernel of its own. composed: by core, from the kernels below.',
    '',
    ...table(
      ops.filter((op) => !required.includes(op)),
      { fused: '**fused**' },
    ),
    '',
    '## Kernels that every backend has',
    '',
    ...table(required, { required: 'yes' }),
    '',
    '## Sizes that are refused or not fused, and why',
    '',
    ...reasons(backends),
  ].join('\n')}\n`;
}

function cell({ rows }, op, words) {
  const ways = new Set(rows.filter((row) => row.op === op).map((row) => row.way));
  return [...ways].map((way) => words[way] ?? way).join(', ') || '?';
}

function reasons(backends) {
  const lines = backends.flatMap(({ id, rows }) =>
    rows
      .filter((row) => row.message !== '')
      .map((row) => `| ${id} | \`${row.op}(${row.params})\` | ${row.way} | ${row.message} |`),
  );
  if (lines.length === 0) return ['None.'];
  return ['| backend | operation | | reason |', '|---|---|---|---|', ...lines];
}
