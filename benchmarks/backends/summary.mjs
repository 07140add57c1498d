import { formatNumber } from '@vq4dit/report';
import { CASES, productOf } from './cases.mjs';

/** The kinds of cases in the order of a report. */
export const GROUPS = [
  { name: 'Products with a dense weight', test: ({ workload: w }) => w && productOf(w) },
  { name: 'Linear layers', test: ({ workload: w }) => w?.op === 'linear' },
  { name: 'Attention', test: ({ workload: w }) => w?.op.startsWith('selfAttention') },
  {
    name: 'k-means, reconstruction and optimizers',
    test: ({ kind, workload: w }) =>
      kind === 'kmeans' || /nearest|lloyd|soft[A-Z]|rmsprop|adamw/.test(w?.op),
  },
  { name: 'Steps of the demo model', test: ({ kind }) => kind !== 'op' },
  { name: 'All other operations', test: () => true },
];

/** Cases of a group with their rows, the fastest first; those without any row are not in it. */
export function grouped(rows) {
  const groups = GROUPS.map(({ name }) => ({ name, cases: [] }));
  for (const wanted of CASES) {
    const own = rows.filter((row) => row.case === wanted.id);
    if (own.length === 0) continue;
    const order = (row) => row.seconds ?? Number.POSITIVE_INFINITY;
    own.sort((a, b) => order(a) - order(b));
    groups[GROUPS.findIndex(({ test }) => test(wanted))].cases.push({ ...wanted, rows: own });
  }
  return groups.filter(({ cases }) => cases.length > 0);
}

/**
 * Who is fastest among our backends, and by how much: `ahead` is the second's time over its time,
 * `peer` the fastest peer and `againstPeer` that one's time over its time.
 */
export function verdict(rows) {
  const timed = rows.filter(({ seconds }) => seconds !== undefined);
  const [first, second] = timed.filter((row) => row.is_backend);
  const peer = timed.find((row) => !row.is_backend);
  return {
    first,
    second,
    peer,
    ahead: second && second.seconds / first.seconds,
    againstPeer: first && peer && peer.seconds / first.seconds,
  };
}

/** A time for people. */
export function duration(seconds) {
  if (seconds >= 1) return `${formatNumber(seconds, 3)} s`;
  return seconds >= 1e-3
    ? `${formatNumber(seconds * 1e3, 3)} ms`
    : `${formatNumber(seconds * 1e6, 3)} µs`;
}

/** "123 GFLOP/s", or nothing where work is not counted. */
export function rate({ gflops, gb_s }) {
  if (gflops !== undefined) return `${formatNumber(gflops, 3)} GFLOP/s`;
  return gb_s === undefined ? '' : `${formatNumber(gb_s, 3)} GB/s`;
}

/** A row on the screen, with its time as a multiple of the fastest one's. */
export function lineOf(row, rows) {
  const name = `  ${row.contender.padEnd(18)}`;
  if (row.seconds === undefined) return `${name} ${row.status}: ${row.message}`;
  const fastest = Math.min(...rows.map(({ seconds }) => seconds ?? Number.POSITIVE_INFINITY));
  const times = `${formatNumber(row.seconds / fastest, 3)} x`.padStart(9);
  const work = rate(row).padStart(16);
  return `${name} ${duration(row.seconds).padStart(10)} ${work} ${times}  ${row.way ?? ''}`.trimEnd();
}
