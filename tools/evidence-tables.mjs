// Fills the tables of docs/evidence.md and README.md that come from a comparison's report.json, each
// between <!-- table: NAME --> and <!-- end of table -->:
//
//     node tools/evidence-tables.mjs            write them
//     node tools/evidence-tables.mjs --check    fail where one is not what the reports say
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lib.mjs';

const [mode] = process.argv.slice(2);
if (![undefined, '--check'].includes(mode)) {
  console.error('Usage: node tools/evidence-tables.mjs [--check]');
  process.exit(2);
}

const reports = join(root, 'benchmarks', 'results');
const read = (name) => JSON.parse(readFileSync(join(reports, name, 'report.json'), 'utf8'));
const full = read('table');

const exponential = (value) => value.toExponential(2);
const fixed = (digits) => (value) => value.toFixed(digits);
const duration = (seconds) => {
  const [minutes, rest] = [Math.floor(seconds / 60), Math.round(seconds % 60)];
  return minutes > 0 ? `${minutes} min ${String(rest).padStart(2, '0')} s` : `${rest} s`;
};
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
  time: ({ seconds }) => mean(seconds, duration),
};

function tableOf(titles, lines) {
  const cells = (values) => `| ${values.join(' | ')} |`;
  return [cells(titles), `|${'---|'.repeat(titles.length)}`, ...lines.map(cells)].join('\n');
}

const rowsTable = (rows, ...titles) =>
  tableOf(
    titles,
    rows.map((row) => titles.map((title) => COLUMNS[title](row))),
  );

const METRICS = ['block MSE', 'noise MSE', 'FID', 'sFID', 'IS', 'precision', 'recall'];
const QUICK = ['method', 'bits', 'true bits', ...METRICS, 'time'];
const FULL = ['method', 'bits', 'seeds', 'true bits', ...METRICS];

/** Rows at one rate, with the original above them. */
const atRate = (bits) => full.rows.filter((row) => row.bits === undefined || row.bits === bits);

/** FID of each seed of some methods at 2 bits. */
function seedsTable(...methods) {
  const rows = methods.map((method) => full.rows.find((r) => r.method === method && r.bits === 2));
  const of = (method, seed) =>
    full.cells.find((c) => c.method === method && c.bits === 2 && c.seed === seed);
  const values = {
    FID: (cell) => cell.evaluation.result.fid.toFixed(1),
    'block MSE': (cell) => exponential(cell.verify.result.errors.block),
    'noise MSE': (cell) => exponential(cell.verify.result.errors.eps),
  };
  const titles = [
    'seed',
    ...Object.keys(values).flatMap((v) => methods.map((method) => `${v}, \`${method}\``)),
  ];
  const seeds = [...new Set(rows.flatMap((row) => row.seeds))].sort((a, b) => a - b);
  const lines = seeds.map((seed) => [
    String(seed),
    ...Object.values(values).flatMap((value) =>
      methods.map((method) => {
        const cell = of(method, seed);
        return cell ? value(cell) : '';
      }),
    ),
  ]);
  return tableOf(titles, lines);
}

/** What more images change: FID on the way to the most, and the other metrics there. */
function headlineTable() {
  const cells = full.cells.filter(({ headline }) => headline);
  const points = [...new Set(cells.flatMap(({ headline }) => headline.result.curve))];
  const counts = [...new Set(points.map(({ images }) => images))].sort((a, b) => a - b);
  const count = (n) => n.toLocaleString('en');
  const titles = [
    'method',
    ...counts.map((n) => `FID of ${count(n)}`),
    'sFID',
    'IS',
    'precision',
    'recall',
  ];
  const lines = cells.map(({ title, headline: { result } }) => [
    title,
    ...counts.map((n) => result.curve.find(({ images }) => images === n)?.fid.toFixed(1) ?? ''),
    ...[result.sfid.toFixed(0), result.inceptionScore.mean.toFixed(2)],
    ...[result.precision.toFixed(2), result.recall.toFixed(2)],
  ]);
  return tableOf(titles, lines);
}

const TABLES = {
  summary: () =>
    rowsTable(atRate(2), 'method', 'on disk', 'true bits', 'block MSE', 'noise MSE', 'FID'),
  '2 bits': () => rowsTable(atRate(2), ...FULL),
  '3 bits': () => rowsTable(atRate(3), ...FULL),
  '4 bits': () => rowsTable(atRate(4), ...FULL),
  seeds: () => seedsTable('best', 'output-error', 'qdit'),
  headlines: headlineTable,
  quick: () => rowsTable(read('quick').rows, ...QUICK),
};

let stale = 0;
for (const file of ['README.md', 'docs/evidence.md']) {
  const path = join(root, file);
  const text = readFileSync(path, 'utf8');
  const marked = /(<!-- table: (.+?) -->\n)[\s\S]*?(<!-- end of table -->)/g;
  const filled = text.replace(marked, (_, before, name, after) => {
    const table = TABLES[name];
    if (!table) throw new Error(`${file}: there is no table named "${name}".`);
    return `${before}\n${table()}\n\n${after}`;
  });
  if (filled === text) continue;
  stale++;
  if (mode === '--check')
    console.error(`${file}: its tables are not what benchmarks/results says.`);
  else writeFileSync(path, filled);
}
if (mode === '--check' && stale > 0) {
  console.error('Run "node tools/evidence-tables.mjs" and commit what it changes.');
  process.exit(1);
}
console.log(
  mode === '--check' ? 'Evidence: the tables are what the reports say.' : 'Evidence: written.',
);
