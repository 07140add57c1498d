import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { createRegistry } from '@vq4dit/cli';
import { BROWSER, openBrowser } from './browser.mjs';
import { fromPlain, toPlain } from './plain.mjs';

const ids = createRegistry()
  .list()
  .map(({ id }) => id);

/** Every backend there is, in Node and in Chromium; the reference comes first. */
export const BACKENDS = ['reference', ...ids.filter((id) => id !== 'reference'), ...BROWSER];

/** A backend that is not there, with the reason. */
export class Missing extends Error {}

/**
 * Calls functions on backends, wherever each one lives.
 *
 * @returns `run(id, module, name, ...args)`, which calls `name` of `benchmarks/<module>` with the
 *   backend, the arguments and a callback for progress, and throws {@link Missing} where the backend
 *   does not start; and `close()`
 */
export function openRunners() {
  const folder = mkdtempSync(join(os.tmpdir(), 'vq4dit-backends-'));
  let browser;
  return {
    async run(id, module, name, ...args) {
      if (!BROWSER.includes(id)) return inProcess(folder, id, module, name, args);
      browser ??= await openBrowser();
      if (!browser) throw new Missing('there is no Chromium');
      return fromPlain(await browser.run(id, module, name, toPlain(args)));
    },
    async close() {
      await browser?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function inProcess(folder, id, module, name, args) {
  const script = new URL('./node-worker.mjs', import.meta.url).pathname;
  const [argumentsFile, resultFile] = ['arguments', 'result'].map((what) =>
    join(folder, `${what}.json`),
  );
  writeFileSync(argumentsFile, JSON.stringify(toPlain(args)));
  const node = [process.execPath, '--expose-gc', script];
  const program = [...node, id, module, name, argumentsFile, resultFile];
  const needsDisplay = id === 'gpujs' && process.platform === 'linux' && !process.env.DISPLAY;
  const [command, ...rest] = needsDisplay ? ['xvfb-run', '-a', ...program] : program;
  let last = '';
  const code = await new Promise((resolve, reject) => {
    const child = spawn(command, rest, { stdio: ['ignore', 'inherit', 'pipe'] });
    child.stderr.on('data', (text) => {
      process.stderr.write(text);
      last = `${last}${text}`.slice(-2000);
    });
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code === 0) return fromPlain(JSON.parse(readFileSync(resultFile, 'utf8')));
  const reason = last.match(/\w*Error: .*/g)?.at(-1) ?? `it ended with ${code}`;
  throw /BackendUnavailableError/.test(reason) ? new Missing(reason) : new Error(reason);
}
