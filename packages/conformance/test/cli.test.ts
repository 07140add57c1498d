import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { main } from '../src/cli/index.ts';
import { replayCommand } from '../src/cli/replay.ts';
import { selectCases, splitId } from '../src/cli/select.ts';
import { CASES, COLUMNS, FLOOR, type Row } from '../src/index.ts';

const MODULE = new URL('./support/backends.ts', import.meta.url).pathname;
const backend = (name: string) => ['-b', `${MODULE}#${name}`];

async function run(...args: string[]) {
  let [result, notes] = ['', ''];
  const code = await main(args, {
    result: (text) => {
      result += text;
    },
    note: (text) => {
      notes += text;
    },
  });
  return { code, result, notes };
}

async function rows(...args: string[]): Promise<Row[]> {
  return JSON.parse((await run(...args, '--output', 'json')).result) as Row[];
}

/** The words of a command line as a POSIX shell splits them. */
const words = (line: string) =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);

describe('test', () => {
  it('passes what is right, and says what ran where', async () => {
    const { code, result } = await run('test', ...backend('createGood'), '-o', 'argmin');
    expect(code).toBe(0);
    expect(result).toMatch(/^reference \(f32, .*\): \d+ passed, 0 expected failures/);
  });

  it('fails with a replay in one line that fails alike, for values and for properties', async () => {
    const { code, result, notes } = await run('test', ...backend('createBroken'), '-o', 'argmin');
    expect(code).toBe(1);
    expect(notes).toMatch(/^vq4dit-conformance: \d+ of \d+ cases failed; .*\.\n$/);
    expect(result).toMatch(/FAILED +argmin\(property\): .*\n +seed 0, path [\d:]+\n +replay: /);
    const failures = (await rows('test', ...backend('createBroken'), '-o', 'argmin')).filter(
      (row) => row.status === 'failed',
    );
    expect(failures.some((row) => row.path !== undefined)).toBe(true);
    for (const { replay, message, params } of failures) {
      expect(replay!.split('\n')).toHaveLength(1);
      const [npx, program, ...args] = words(replay!);
      expect([npx, program]).toEqual(['npx', 'vq4dit-conformance']);
      const again = await rows(...args);
      expect(again.map((row) => [row.params, row.message])).toEqual([[params, message]]);
    }
  });

  it('has a replay for each case of the table that names it alone', () => {
    for (const { id } of CASES) {
      const line = replayCommand({ program: 'x', backend: 'b', id, seed: 1 });
      const args = words(line);
      const given = (flag: string) => args[args.indexOf(flag) + 1]!;
      const params = new RegExp(given('-p'));
      const selected = selectCases(CASES, { op: [given('-o')], params });
      expect(selected.map((c) => c.id)).toEqual([id]);
    }
  });

  it('takes what a module declares: an expected failure is none, and must fail', async () => {
    const [row] = await rows('test', '-b', MODULE, '-o', 'argmin', '-p', '^infinite$');
    expect(row).toMatchObject({ status: 'expected-fail', passed: false, op: 'argmin' });
  });

  it('demands all required cases in a run of everything', async () => {
    const { code, result } = await run('test', ...backend('createBroken'), '--runs', '1');
    expect(code).toBe(1);
    expect(result).toContain('problem: required case argmin(ties) did not pass');
  });
});

describe('perf', () => {
  it('times what is right', async () => {
    const [row] = await rows(
      'perf',
      ...[...backend('createGood'), '-o', 'linear', '-p', 'adaLN.*packed', '--min-time', '1'],
    );
    expect(row).toMatchObject({ mode: 'perf', way: 'composed', passed: true, is_gpu: false });
    expect(row!.n_runs).toBeGreaterThanOrEqual(1);
    expect(row!.gflops! * row!.time_us! * 1e3).toBeCloseTo(2 * 2 * 1152 * 6912, 0);
  });

  it('gives no figure for what is wrong', async () => {
    const args = [...backend('createInexact'), '-o', 'linear', '-p', 'adaLN,.*dense'];
    const { code, result } = await run('perf', ...args, '--output', 'csv');
    expect(code).toBe(1);
    const [row] = parse(result, { columns: true }) as Record<string, string>[];
    expect(row).toMatchObject({ status: 'failed', passed: 'false', time_us: '', gflops: '' });
    expect(row!.message).toMatch(/sampled elements.*differ/);
  });
});

describe('support', () => {
  it('says fused, composed or refused, with reasons', async () => {
    const found = await rows('support', ...backend('createPicky'));
    const of = (op: string, params = '') =>
      found.find((row) => row.op === op && row.params.includes(params));
    expect(of('gelu')).toMatchObject({ way: 'composed', message: 'vectors only' });
    expect(of('silu')).toMatchObject({ way: 'composed', supported: true });
    expect(of('matmul', 'm=256')).toMatchObject({ way: 'required', supported: true });
    expect(of('matmul', 'm=1024')).toMatchObject({ way: 'refused', supported: false });
    expect(of('selfAttention', 't=1024')).toMatchObject({
      way: 'refused',
      message: 'matmul: more than 300 rows',
    });
  });
});

describe('list', () => {
  it('names every case and which are required', async () => {
    const listed = await rows('list');
    expect(listed.map((row) => `${row.op}(${row.params})`)).toEqual(CASES.map((c) => c.id));
    expect(listed.filter((row) => row.status === 'required')).toHaveLength(FLOOR.length);
  });

  it('has one header for all modes', async () => {
    for (const args of [['list'], ['support', ...backend('createGood')]]) {
      const { result } = await run(...args, '-o', 'matmul', '--output', 'csv');
      expect(result.split('\n')[0]).toBe(COLUMNS.join(','));
    }
  });

  it('splits ids at the first bracket', () => {
    expect(splitId('sum(shape=2x3,axis=1)')).toEqual({ name: 'sum', params: 'shape=2x3,axis=1' });
  });
});

describe('bad input gets one sentence', () => {
  it.each([
    [1, /No backend is named; give one with -b/, ['test']],
    [1, /The module \.\/nowhere\.js could not be loaded/, ['test', '-b', './nowhere.js#x']],
    [1, /The module no-such-package could not be loaded/, ['test', '-b', 'no-such-package']],
    [1, /has no export "nothing"; it exports create/, ['test', ...backend('nothing')]],
    [1, /makes no backend/, ['test', ...backend('notABackend')]],
    [1, /names no backend/, ['test', '-b', '#x']],
    [1, /the driver is missing/, ['test', ...backend('createDead')]],
    [1, /did not give a backend/, ['test', ...backend('createNothing')]],
    [1, /which is not a GPU/, ['test', ...backend('createGood'), '--require-gpu']],
    [
      1,
      /No operation is called "nope"; there are/,
      ['test', ...backend('createGood'), '-o', 'nope'],
    ],
    [1, /No case has parameters that match/, ['list', '-p', 'no such']],
    [1, /--path repeats one case/, ['test', ...backend('createGood'), '--path', '1']],
    [2, /Unterminated|Invalid regular/, ['list', '-p', '(']],
    [2, /integer from 0/, ['test', '--seed', '-1']],
    [2, /Allowed choices are console, json, csv/, ['list', '--output', 'xml']],
    [2, /unknown command 'tset'/, ['tset']],
  ])('%i %s', async (code, message, args) => {
    const answer = await run(...args);
    expect(answer.code).toBe(code);
    expect(answer.notes).toMatch(/^vq4dit-conformance: [^\n]+\.\n$/);
    expect(answer.notes).toMatch(message);
    expect(answer.result).toBe('');
  });
});
