// The lockfile pins versions and hashes but no download address, so that it installs from whichever
// registry the reader uses. `.npmrc` keeps npm from writing addresses; this notices when it did.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lib.mjs';

const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
const problems = [];
for (const [path, entry] of Object.entries(lock.packages)) {
  const external = path.includes('node_modules/') && !entry.link;
  if (/^[a-z+]+:\/\//.test(entry.resolved ?? '')) problems.push(`${path}: has a download address`);
  if (external && !entry.integrity) problems.push(`${path}: has no integrity hash`);
}
for (const problem of problems) console.error(`package-lock.json: ${problem}.`);
if (problems.length > 0) {
  console.error('Run "npm install" with the .npmrc of this repository and commit the lockfile.');
  process.exit(1);
}
console.log(`Lockfile: ${Object.keys(lock.packages).length} entries, no download addresses.`);
