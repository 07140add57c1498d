// Fills the tables of docs/evidence.md and README.md that come from a comparison's report.json, each
// between <!-- table: NAME --> and <!-- end of table -->:
//
//     node tools/evidence-tables.mjs            write them
//     node tools/evidence-tables.mjs --check    fail where one is not what the report says
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, tableLines } from './lib.mjs';

const [mode] = process.argv.slice(2);
if (![undefined, '--check'].includes(mode)) {
  console.error('Usage: node tools/evidence-tables.mjs [--check]');
  process.exit(2);
}

const results = (...path) =>
  JSON.parse(readFileSync(join(root, 'benchmarks', 'results', ...path), 'utf8'));
const { rows, cells } = results('table', 'report.json');

const exponential = (value) => value.toExponential(2);
const fixed = (digits) => (value) => value.toFixed(digits);
const mean = (value, format) => (value ? format(value.mean) : '');
const spread = (value, format) =>
  value?.deviation === undefined
    ? mean(value, format)
    : `${format(value.mean)} ± ${format(value.deviation)}`;

const COLUMNS = {
  method: ({ title }) => title,
  bits: ({ bits }) => String(bits ?? 32),
  seeds: ({ seeds }) => String(seeds.length || ''),
  'true bits': ({ trueBits }) => mean(trueBits, fixed(3)),
  'on disk': ({ bytes }) => `${mean(bytes, (value) => (value / 2 ** 20).toFixed(2))} MiB`,
  'block MSE': ({ blockMse }) => mean(blockMse, exponential),
  'noise MSE': ({ noiseMse }) => mean(noiseMse, exponential),
  FID: ({ fid }) => spread(fid, fixed(1)),
  sFID: ({ sfid }) => spread(sfid, fixed(0)),
  IS: ({ inceptionScore }) => spread(inceptionScore, fixed(2)),
  precision: ({ precision }) => spread(precision, fixed(2)),
  recall: ({ recall }) => spread(recall, fixed(2)),
};

/** The same of one cell, that is of one seed. */
const OF_CELL = {
  'block MSE': ({ verify }) => exponential(verify.result.errors.block),
  'noise MSE': ({ verify }) => exponential(verify.result.errors.eps),
  FID: ({ evaluation }) => evaluation.result.fid.toFixed(1),
  sFID: ({ evaluation }) => evaluation.result.sfid.toFixed(0),
};

/** Rows at one rate, with the original above them. */
function rateTable(bits, ...titles) {
  const shown = rows.filter((row) => row.bits === undefined || row.bits === bits);
  return tableLines(
    titles,
    shown.map((row) => titles.map((title) => COLUMNS[title](row))),
  );
}

/** One line for each method at all rates, the fewest bits last. */
function summaryTable() {
  const rates = [4, 3, 2];
  const lines = rows
    .filter(({ bits }) => bits === undefined || bits === 2)
    .map((row) => {
      const own = rates.map((bits) =>
        row.bits === undefined ? row : rows.find((r) => r.method === row.method && r.bits === bits),
      );
      const trueBits = row.bits === undefined ? '32' : own.map(COLUMNS['true bits']).join(', ');
      const errors = [COLUMNS['on disk'](row), COLUMNS['block MSE'](row)];
      return [row.title, trueBits, ...own.map(COLUMNS.FID), ...errors];
    });
  const titles = ['method', 'true bits', ...rates.map((bits) => `FID, ${bits} bits`)];
  return tableLines([...titles, 'on disk, 2 bits', 'block MSE, 2 bits'], lines);
}

/** The cells with more images: FID of so many of them, and the other metrics of all. */
function headlineTable() {
  const found = cells.filter(({ headline }) => headline);
  const counts = found[0].headline.result.curve.map(({ images }) => images);
  const lines = found.map(({ title, headline: { result } }) => [
    title,
    ...result.curve.map(({ fid }) => fid.toFixed(1)),
    ...[result.sfid.toFixed(0), result.inceptionScore.mean.toFixed(2)],
    ...[result.precision.toFixed(2), result.recall.toFixed(2)],
  ]);
  const titles = counts.map((count) => `FID, ${count.toLocaleString('en')}`);
  return tableLines(['method', ...titles, 'sFID', 'IS', 'precision', 'recall'], lines);
}

/** Recipes by what a calibration takes in all; less training has a comparison of its own. */
function equalTimeTable() {
  const titles = ['block MSE', 'noise MSE', 'FID', 'sFID'];
  const shorter = results('equal-time', 'report.json');
  const lines = results('recipes.json').rows.map(({ recipe, trajectories, seconds }) => {
    const report = trajectories === undefined ? rows : shorter.rows;
    const row = report.find(({ method, bits }) => method === recipe && bits === 2);
    const name =
      trajectories === undefined ? row.title : `${row.title}, ${trajectories} trajectories`;
    const times = seconds.map((value) => value.toFixed(1)).join(', ');
    return [name, times, ...titles.map((title) => COLUMNS[title](row))];
  });
  return tableLines(['recipe', 'seconds', ...titles], lines);
}

/** The paper's recipe with n candidates, of which the table above has n = 2; first seed. */
function candidatesTable() {
  const titles = ['block MSE', 'noise MSE', 'FID', 'sFID'];
  const others = results('variants', 'report.json').cells;
  const lines = ['paper-n1', 'paper', 'paper-n3', 'paper-n4'].map((method, i) => {
    const own = [...cells, ...others].find(
      (cell) => cell.method === method && cell.bits === 2 && cell.seed === 0,
    );
    return [String(i + 1), ...titles.map((title) => OF_CELL[title](own))];
  });
  return tableLines(['n', ...titles], lines);
}

/** Errors and FID of some methods at 2 bits, a line for each seed. */
function seedsTable(...methods) {
  const cellsOf = (method) => cells.filter((cell) => cell.method === method && cell.bits === 2);
  const columns = ['FID', 'block MSE', 'noise MSE'].flatMap((value) =>
    methods.map((method) => ({ value, method, cells: cellsOf(method) })),
  );
  return tableLines(
    ['seed', ...columns.map(({ value, method }) => `${value}, \`${method}\``)],
    cellsOf(methods[0]).map(({ seed }) => [
      String(seed),
      ...columns.map(({ value, cells }) =>
        OF_CELL[value](cells.find((cell) => cell.seed === seed)),
      ),
    ]),
  );
}

const FULL = [
  ...['method', 'bits', 'seeds', 'true bits', 'block MSE', 'noise MSE'],
  ...['FID', 'sFID', 'IS', 'precision', 'recall'],
];
const TABLES = {
  summary: summaryTable,
  headline: headlineTable,
  'equal time': equalTimeTable,
  candidates: candidatesTable,
  '2 bits': () => rateTable(2, ...FULL),
  '3 bits': () => rateTable(3, ...FULL),
  '4 bits': () => rateTable(4, ...FULL),
  seeds: () => seedsTable('best', 'output-error', 'qdit'),
};

let stale = 0;
for (const page of ['README.md', 'docs/evidence.md']) {
  const path = join(root, page);
  const text = readFileSync(path, 'utf8');
  const marked = /(<!-- table: (.+?) -->\n)[\s\S]*?(<!-- end of table -->)/g;
  const filled = text.replace(marked, (_, before, name, after) => {
    const table = TABLES[name];
    if (!table) throw new Error(`${page}: there is no table named "${name}".`);
    return [before, ...table(), '', after].join('\n');
  });
  if (filled === text) continue;
  stale++;
  if (mode === '--check')
    console.error(`${page}: its tables are not what benchmarks/results says.`);
  else writeFileSync(path, filled);
}
if (mode === '--check' && stale > 0) {
  console.error('Run "node tools/evidence-tables.mjs" and commit what it changes.');
  process.exit(1);
}
console.log(
  mode === '--check' ? 'Evidence: the tables are what the report says.' : 'Evidence: written.',
);
