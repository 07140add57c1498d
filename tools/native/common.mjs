import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Ends the program with one sentence. */
export function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Runs a program with its messages on the terminal; ends this one if it fails. */
export function runOrFail(program, args, options, complaint) {
  const shell = process.platform === 'win32' && program === 'npm';
  const { status, error } = spawnSync(program, args, { stdio: 'inherit', shell, ...options });
  if (status !== 0) fail(`${complaint}${error ? ` (${error.message})` : ''}`);
}

/** Where dpkg knows them all, a build does not fail after minutes for want of a header. */
export function requireDebianPackages(needed) {
  const query = spawnSync(
    'dpkg-query',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query fills these in.
    ['-W', '-f', '${Package} ${db:Status-Status}\n', ...needed],
    { encoding: 'utf8' },
  );
  if (query.error) return;
  const installed = query.stdout.split('\n').filter((line) => line.endsWith(' installed'));
  const missing = needed.filter((id) => !installed.includes(`${id} installed`));
  if (missing.length === 0) return;
  fail(
    `Missing Debian packages: ${missing.join(', ')}. Install them with\n` +
      `  apt-get install --no-install-recommends ${missing.join(' ')}`,
  );
}

/** node-gyp downloads headers of Node unless it is told where they are. */
export function localHeaders() {
  const prefix = dirname(dirname(process.execPath));
  const header = join(prefix, 'include', 'node', 'node_version.h');
  if (process.env.npm_config_nodedir || !existsSync(header)) return {};
  const part = (key) =>
    readFileSync(header, 'utf8').match(`#define NODE_${key}_VERSION (\\d+)`)?.[1];
  const version = ['MAJOR', 'MINOR', 'PATCH'].map(part).join('.');
  return version === process.versions.node ? { npm_config_nodedir: prefix } : {};
}
