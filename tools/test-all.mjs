// `npm test`: lint, type check, build, documentation, then every package's tests, without any
// cache. Ends with one line, "N passed, N failed", that sums all test suites; a step that fails
// counts as one failure. Exits with 0 only if nothing failed and at least one test ran.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lib.mjs';

const REPORT = 'out/test-report.json';
// Cached results may be right, but a run that is meant to prove something should do the work.
const nx = ['nx', 'run-many', '--skip-nx-cache', '--output-style=stream'];
const env = { ...process.env, NX_DAEMON: 'false', NX_TUI: 'false', NX_NO_CLOUD: 'true' };

const steps = [
  ['lint', ['npm', 'run', '--silent', 'lint']],
  ['typecheck and build', ['npx', ...nx, '-t', 'typecheck', 'build', '--parallel=2']],
  ['docs', ['npm', 'run', '--silent', 'docs']],
];

const packages = readdirSync(join(root, 'packages')).sort();
const reportOf = (name) => join(root, 'packages', name, REPORT);
for (const name of packages) rmSync(reportOf(name), { force: true });

const rows = [];
for (const [name, command] of steps) {
  const ok = run(name, command);
  rows.push({ suite: name, passed: 0, failed: ok ? 0 : 1, skipped: 0, note: ok ? 'ok' : 'failed' });
}

const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`];
const testsOk = run('tests', ['npx', ...nx, '-t', 'test', '--nxBail=false', '--', ...reporters]);
rows.push(...packages.map(summarize));

const total = (key) => rows.reduce((sum, row) => sum + row[key], 0);
const passed = total('passed');
let failed = total('failed');
// Should never differ from the reports; if the runner saw a failure that they do not show, say so.
if (!testsOk && failed === 0) failed = 1;

console.log('');
for (const { suite, note } of rows) console.log(`${suite.padEnd(22)} ${note}`);
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;

function run(name, [program, ...args]) {
  console.log(`\n=== ${name}`);
  const { status } = spawnSync(program, args, {
    cwd: root,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return status === 0;
}

/** One package's figures. No report, a suite that failed to load, or no test at all is a failure. */
function summarize(suite) {
  if (!existsSync(reportOf(suite))) {
    return { suite, passed: 0, failed: 1, skipped: 0, note: 'no test report: did not run' };
  }
  const report = JSON.parse(readFileSync(reportOf(suite), 'utf8'));
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((t) => t.status === 'failed'),
  ).length;
  const passed = report.numPassedTests;
  const skipped = report.numPendingTests + report.numTodoTests;
  const unexplained = report.success ? 0 : 1;
  const failed = report.numFailedTests + broken || unexplained || (passed === 0 ? 1 : 0);
  const files = broken > 0 ? `, ${broken} files failed to run` : '';
  const note = `${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}${files}`;
  return { suite, passed, failed, skipped, note };
}
