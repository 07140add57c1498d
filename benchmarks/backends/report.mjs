import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { markdownTable, renderPage } from '@vq4dit/report';
import { readRows } from './rows.mjs';
import { duration, grouped, rate, verdict } from './summary.mjs';

/** Writes the page and the summary of all rows of a file beside it. */
export function writeReport(file) {
  const rows = readRows(file);
  const base = file.replace(/\.jsonl$/, '');
  writeFileSync(`${base}.html`, renderPage(pageOf(rows)));
  writeFileSync(`${base}.md`, markdownOf(rows, `${basename(base)}.html`));
  console.log(`\n${rows.length} rows: ${base}.jsonl, ${base}.html, ${base}.md`);
}

const TITLE = 'Backends and peers';

function pageOf(rows) {
  return {
    title: TITLE,
    subtitle: machineOf(rows),
    sections: [
      { heading: 'Who took part', blocks: [devicesTable(rows)] },
      { heading: 'The fastest backend of each case', blocks: grouped(rows).map(verdictTable) },
      ...grouped(rows).map(({ name, cases }) => ({
        heading: name,
        blocks: cases.flatMap(caseBlocks),
      })),
    ],
  };
}

function markdownOf(rows, page) {
  const parts = [
    `# ${TITLE}`,
    `Written by \`node benchmarks/backends/bench.mjs\`; [the page](${page}) has all times and charts.`,
    machineOf(rows),
    markdownTable(devicesTable(rows)),
    'Times are medians of turns. *Lead* is how many times as long the second of our backends takes;\n' +
      '*against the peer* how many times as long the fastest peer takes: above 1 we are faster.',
    wins(rows),
  ];
  for (const group of grouped(rows)) {
    parts.push(`## ${group.name}`, markdownTable(verdictTable(group)));
  }
  const missing = rows.filter(({ status }) => status !== 'passed');
  if (missing.length > 0) parts.push('## Without a time', markdownTable(missingTable(missing)));
  return `${parts.join('\n\n')}\n`;
}

function wins(rows) {
  const counts = new Map();
  const all = grouped(rows).flatMap(({ cases }) => cases);
  for (const { rows: own } of all) {
    const name = verdict(own).first?.contender ?? 'none';
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const list = [...counts].sort((a, b) => b[1] - a[1]).map(([name, n]) => `${name} in ${n}`);
  return `Of our backends, the fastest is ${list.join(', ')} of ${all.length} cases.`;
}

function verdictTable({ name, cases }) {
  return {
    kind: 'table',
    caption: name,
    columns: ['case', 'fastest backend', 'time', 'rate', 'second', 'lead', 'fastest peer'].concat({
      title: 'against the peer',
      digits: 3,
    }),
    rows: cases.map(({ id, rows }) => {
      const { first, second, peer, ahead, againstPeer } = verdict(rows);
      return [
        id,
        first?.contender ?? null,
        first ? duration(first.seconds) : null,
        first ? rate(first) : null,
        second?.contender ?? null,
        ahead === undefined ? null : Number(ahead.toPrecision(3)),
        peer ? `${peer.contender}, ${duration(peer.seconds)}` : null,
        againstPeer ?? null,
      ];
    }),
  };
}

function caseBlocks({ id, rows }) {
  const timed = rows.filter(({ seconds }) => seconds !== undefined);
  const others = rows.filter(({ seconds }) => seconds === undefined);
  const blocks = [];
  if (timed.length > 0) {
    blocks.push({
      kind: 'bars',
      title: id,
      caption: 'Shorter is better. Lines go from the fastest to the slowest turn.',
      value: { label: 'milliseconds', scale: 'log' },
      seriesOrder: ['our backends', 'peers'],
      bars: timed.map((row) => ({
        label: row.contender,
        value: row.seconds * 1e3,
        low: row.fastest * 1e3,
        high: row.slowest * 1e3,
        series: row.is_backend ? 'our backends' : 'peers',
      })),
    });
  }
  if (others.length > 0) {
    const lines = others.map((row) => `${row.contender}: ${row.status}, ${row.message}.`);
    blocks.push({ kind: 'text', text: `Without a time in ${id}:\n${lines.join('\n')}` });
  }
  return blocks;
}

function missingTable(rows) {
  return {
    kind: 'table',
    columns: ['case', 'contender', 'status', 'reason'],
    rows: rows.map((row) => [row.case, row.contender, row.status, row.message ?? '']),
  };
}

function machineOf(rows) {
  const machines = rows.map(({ machine: { cpu, cores, memoryGiB, system, node }, date }) => {
    const day = date.slice(0, 10);
    return `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}, Node ${node}, ${day}`;
  });
  return `${[...new Set(machines)].join('; ')}.`;
}

function devicesTable(rows) {
  const lines = rows.map(({ contender, version, device }) => {
    return `${[contender, version].filter(Boolean).join(' ')}\n${device ?? 'not known'}`;
  });
  return {
    kind: 'table',
    columns: ['contender', 'device'],
    rows: [...new Set(lines)].sort().map((line) => line.split('\n')),
  };
}
