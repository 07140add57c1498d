import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

export const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** What a finished command was. */
export interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

/** A folder that is removed at the end. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'vq4dit-generators-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** What the generator needs of this workspace, without its packages; libraries are linked. */
export function copyWorkspace(to: string): void {
  const files = ['package.json', 'nx.json', 'tsconfig.base.json', 'vitest.shared.ts'];
  for (const file of [...files, 'vitest.setup.ts', 'docs', 'tools/generators']) {
    cpSync(join(ROOT, file), join(to, file), {
      recursive: true,
      filter: (path) => !/node_modules|docs\/api|\/out$/.test(path.slice(ROOT.length)),
    });
  }
  mkdirSync(join(to, 'packages'));
  symlinkSync(join(ROOT, 'node_modules'), join(to, 'node_modules'));
}

export function run(cwd: string, command: string, args: readonly string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: {
      ...process.env,
      NX_DAEMON: 'false',
      NX_WORKSPACE_ROOT_PATH: cwd,
      NO_COLOR: '1',
      FORCE_COLOR: '0',
      VQ4DIT_TEST_REPORT: '',
    },
  });
  return { code: status, output: `${stdout}${stderr}` };
}

/** Runs a program of `node_modules/.bin`, which must succeed. */
export function succeed(cwd: string, program: string, ...args: string[]): string {
  const outcome = run(cwd, join(ROOT, 'node_modules', '.bin', program), args);
  expect(outcome.code, outcome.output).toBe(0);
  return outcome.output;
}
