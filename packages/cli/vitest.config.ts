import { packageTestConfig } from '../../vitest.shared.ts';

// Tests and hooks run the command line, some of them ten times: a limit against hanging, with room for a
// machine that is slow or busy. One minute was a test's whole time on two cores of half the usual speed.
export default packageTestConfig({ testTimeout: 300_000, hookTimeout: 120_000 });
