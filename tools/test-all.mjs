// `npm test`: lint, type check, documentation, then build and every package's tests, without any
// cache. Ends with one line, "N passed, N failed", that sums all test suites; a step that fails
// counts as one failure. Exits with 0 only if nothing failed and at least one test ran.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lib.mjs';

/** Where each package's test runner leaves its report, relative to the package. */
const REPORT = 'out/test-report.json';
const TESTS = 'build and test';
const packages = readdirSync(join(root, 'packages')).sort();
/** Suites by name, with the folders that their tests run in: packages, and tools with tests. */
const folders = new Map([
  ...packages.map((name) => [name, join(root, 'packages', name)]),
  ['train-demo', join(root, 'tools', 'train-demo')],
  ['generators', join(root, 'tools', 'generators')],
]);
const reportOf = (name) => join(folders.get(name), REPORT);
for (const name of folders.keys()) rmSync(reportOf(name), { force: true });

// Cached results may be right, but a run that is meant to prove something should do the work.
const nx = ['npx', 'nx', 'run-many', '--skip-nx-cache', '--output-style=stream', '--parallel=2'];
const steps = [
  step('lint', ['npm', 'run', '--silent', 'lint']),
  step('typecheck', [...nx, '-t', 'typecheck']),
  step('docs', ['npm', 'run', '--silent', 'docs']),
  step(TESTS, [...nx, '-t', 'build', 'test'], { VQ4DIT_TEST_REPORT: REPORT }),
];
const suites = [...folders.keys()].map(summarize);

console.log('');
for (const { name, note } of [...steps, ...suites]) console.log(`${name.padEnd(18)} ${note}`);

const sum = (key) => suites.reduce((total, suite) => total + suite[key], 0);
const passed = sum('passed');
const failedTests = sum('failed');
// A failed test has made its step fail: it counts once.
const unexplained = steps.filter(({ name, ok }) => !ok && !(name === TESTS && failedTests > 0));
const failed = failedTests + unexplained.length;
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;

function step(name, [program, ...args], variables = {}) {
  console.log(`\n=== ${name}`);
  const env = { ...process.env, ...variables };
  const stdio = ['ignore', 'inherit', 'inherit'];
  const ok = spawnSync(program, args, { cwd: root, env, stdio }).status === 0;
  return { name, ok, note: ok ? 'ok' : 'failed' };
}

/** One package's figures. No report, a file that did not load, or no test at all is a failure. */
function summarize(name) {
  if (!existsSync(reportOf(name))) {
    return { name, passed: 0, failed: 1, note: '1 failed: no test report, the tests did not run' };
  }
  const report = JSON.parse(readFileSync(reportOf(name), 'utf8'));
  const passed = report.numPassedTests;
  const skipped = report.numPendingTests + report.numTodoTests;
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((t) => t.status === 'failed'),
  ).length;
  let failed = report.numFailedTests + broken;
  if (failed === 0 && (passed === 0 || !report.success)) failed = 1;
  const notes = [`${passed} passed`, `${failed} failed`];
  if (skipped > 0) notes.push(`${skipped} skipped`);
  if (broken > 0) notes.push(`${broken} files did not load`);
  return { name, passed, failed, note: notes.join(', ') };
}
