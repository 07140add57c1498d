import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import Table from 'cli-table3';

/** A piece of long work whose progress people can see. */
export interface ProgressTask {
  /** Units done so far; `note` is shown behind the numbers. */
  update(done: number, note?: string): void;
  end(): void;
}

/** What a command tells people (stderr) and gives to them or to machines (stdout). */
export interface Reporter {
  readonly json: boolean;
  /** A line for people, on stderr. */
  note(line: string): void;
  /** A bar with ETA on a terminal, a line now and then elsewhere; on stderr. */
  task(label: string, total: number): ProgressTask;
  /** The result: text for people, or `data` as one JSON document with `--json`; on stdout. */
  result(data: unknown, text: () => string): void;
}

/** Seconds between lines where stderr is not a terminal. */
const LINE_EVERY = 15;

export function createReporter(options: { json: boolean; quiet: boolean }): Reporter {
  const { stderr, stdout } = process;
  return {
    json: options.json,
    note(line) {
      if (!options.quiet) stderr.write(`${line}\n`);
    },
    task(label, total) {
      if (options.quiet) return { update() {}, end() {} };
      return stderr.isTTY ? barTask(label, total) : lineTask(label, total);
    },
    result(data, text) {
      stdout.write(options.json ? `${JSON.stringify(data, null, 2)}\n` : `${text()}\n`);
    },
  };
}

function barTask(label: string, total: number): ProgressTask {
  const bars = new MultiBar(
    {
      format: `${label} {bar} {value}/{total} | {duration_formatted} | ETA {eta_formatted} {note}`,
      stream: process.stderr,
      hideCursor: true,
      etaBuffer: 20,
    },
    Presets.shades_classic,
  );
  const bar: SingleBar = bars.create(total, 0, { note: '' });
  return {
    update: (done, note = '') => bar.update(done, { note }),
    end: () => bars.stop(),
  };
}

function lineTask(label: string, total: number): ProgressTask {
  const start = Date.now();
  let last = start;
  return {
    update(done, note = '') {
      const now = Date.now();
      if (now - last < LINE_EVERY * 1000 && done < total) return;
      last = now;
      const elapsed = (now - start) / 1000;
      const left = done > 0 ? (elapsed / done) * (total - done) : Number.NaN;
      const eta = done < total && Number.isFinite(left) ? `, ETA ${formatSeconds(left)}` : '';
      process.stderr.write(
        `${label} ${done}/${total} (${formatSeconds(elapsed)}${eta}) ${note}`
          .trimEnd()
          .concat('\n'),
      );
    },
    end() {},
  };
}

/** 75 -> "1m 15s". */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${seconds < 9.95 ? seconds.toFixed(1) : whole}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}m ${whole % 60}s`;
  return `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
}

/** 1536 -> "1.50 KiB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(2)} ${units[unit]}`;
}

/** Three significant digits, without an exponent where that stays short. */
export function formatNumber(value: number | undefined): string {
  if (value === undefined) return '-';
  if (value === 0) return '0';
  const size = Math.abs(value);
  return size >= 1e-4 && size < 1e6 ? String(Number(value.toPrecision(3))) : value.toExponential(2);
}

/** A plain table; numbers are given as text, and columns of them stand on the right. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: [...head],
    style: { head: [], border: [] },
    colAligns: head.map((_, i) =>
      rows.every((row) => /^(-|\d|exact$)/.test(row[i] ?? '')) ? 'right' : 'left',
    ),
  });
  for (const row of rows) table.push([...row]);
  return table.toString();
}
