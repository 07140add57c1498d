import { execFileSync } from 'node:child_process';
import { packageTestConfig } from '../../vitest.shared.ts';

// Tests run on the kernels as they are written now.
const build = new URL('./build-kernels.mjs', import.meta.url).pathname;
execFileSync(process.execPath, [build], { stdio: 'inherit' });

export default packageTestConfig();
