import type { TableBlock, Cell as TableCell } from '@vq4dit/report';
import { formatNumber, formatSeconds } from '../terminal/reporter.ts';
import type { Measured, Row } from './rows.ts';

const MIB = 2 ** 20;

type Format = (value: number) => string;
const fixed =
  (digits: number): Format =>
  (value) =>
    value.toFixed(digits);
const mib: Format = (bytes) => (bytes / MIB).toFixed(2);

/** The columns after method and bits. `lower` says which end is better, where one is. */
const COLUMNS: readonly {
  readonly title: string;
  readonly value: (row: Row) => Measured | undefined;
  readonly format: Format;
  readonly better?: 'lower' | 'higher';
}[] = [
  { title: 'true bits', value: (row) => row.trueBits, format: fixed(3) },
  { title: 'MiB on disk', value: (row) => row.bytes, format: mib },
  { title: 'weight MSE', value: (row) => row.weightMse, format: formatNumber, better: 'lower' },
  { title: 'block MSE', value: (row) => row.blockMse, format: formatNumber, better: 'lower' },
  { title: 'noise MSE', value: (row) => row.noiseMse, format: formatNumber, better: 'lower' },
  { title: 'FID', value: (row) => row.fid, format: fixed(2), better: 'lower' },
  { title: 'sFID', value: (row) => row.sfid, format: fixed(1), better: 'lower' },
  { title: 'IS', value: (row) => row.inceptionScore, format: fixed(3), better: 'higher' },
  { title: 'precision', value: (row) => row.precision, format: fixed(3), better: 'higher' },
  { title: 'recall', value: (row) => row.recall, format: fixed(3), better: 'higher' },
  { title: 'KID', value: (row) => row.kid, format: formatNumber, better: 'lower' },
  { title: 'PSNR dB', value: (row) => row.psnr, format: fixed(1), better: 'higher' },
  { title: 'time', value: (row) => row.seconds, format: formatSeconds, better: 'lower' },
  { title: 'peak MiB', value: (row) => row.peakBytes, format: (v) => (v / MIB).toFixed(0) },
];

/** The table of one model; the best of each rate is in bold type. */
export function comparisonTable(rows: readonly Row[], caption: string): TableBlock {
  return {
    kind: 'table',
    caption,
    columns: ['method', 'bits', 'seeds', ...COLUMNS.map(({ title }) => title)],
    rows: rows.map((row) => [
      row.title,
      row.bits ?? 32,
      row.seeds.length || null,
      ...COLUMNS.map((column) => cellOf(row, column, rows)),
    ]),
  };
}

function cellOf(row: Row, column: (typeof COLUMNS)[number], rows: readonly Row[]): TableCell {
  const own = column.value(row);
  if (!own) return null;
  const mark = column.title === 'time' && row.resumed ? '≥ ' : '';
  const spread = own.deviation === undefined ? '' : ` ± ${column.format(own.deviation)}`;
  const text = `${mark}${column.format(own.mean)}${spread}`;
  const rivals = rows.filter(({ bits }) => bits === row.bits);
  if (!column.better || rivals.length < 2) return text;
  const values = rivals.flatMap((rival) => column.value(rival)?.mean ?? []);
  const best = column.better === 'lower' ? Math.min(...values) : Math.max(...values);
  const decides = values.some((value) => value !== best);
  return decides && own.mean === best ? { value: text, strong: true } : text;
}

/** The cells that were also measured with more images. */
export function headlineTable(rows: readonly Row[]): TableBlock | undefined {
  const shown = rows.flatMap((row) =>
    row.cells.flatMap((cell) => (cell.headline ? [{ row, report: cell.headline.result }] : [])),
  );
  if (shown.length === 0) return undefined;
  const number = (value: number | undefined, digits: number) => value?.toFixed(digits) ?? null;
  return {
    kind: 'table',
    caption: `The same measured with ${shown[0]!.report.images} images, first seed`,
    columns: ['method', 'bits', 'images', 'FID', 'sFID', 'IS', 'precision', 'recall', 'KID'],
    rows: shown.map(({ row, report }) => [
      ...[row.title, row.bits ?? 32, report.images],
      ...[number(report.fid, 2), number(report.sfid, 1), number(report.inceptionScore.mean, 3)],
      ...[number(report.precision, 3), number(report.recall, 3)],
      report.kid ? formatNumber(report.kid.mean) : null,
    ]),
  };
}
