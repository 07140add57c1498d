import { packageTestConfig } from '../../vitest.shared.ts';

// Hooks run the command line too, several times; a busy machine needs its time for that.
export default packageTestConfig({ hookTimeout: 60_000 });
