import { defineConfig, type ViteUserConfig } from 'vitest/config';

/**
 * One test configuration for every package. Workspace packages resolve to their TypeScript
 * source (export condition `@vq4dit/source`), so a test never runs a stale build.
 *
 * `import` is not among them: it is added by itself to whatever is imported, and named here it would
 * also hold where a package calls `require`, which then gets the wrong half of another one.
 */
const conditions = ['@vq4dit/source', 'module', 'node', 'default'];

/** `npm test` sums these up; everywhere else the usual report is enough. */
const reporters: NonNullable<ViteUserConfig['test']>['reporters'] = process.env.VQ4DIT_TEST_REPORT
  ? ['default', ['json', { outputFile: process.env.VQ4DIT_TEST_REPORT }]]
  : ['default'];

export function packageTestConfig(test: ViteUserConfig['test'] = {}): ViteUserConfig {
  return defineConfig({
    resolve: { conditions },
    ssr: { resolve: { conditions, externalConditions: conditions } },
    test: {
      include: ['test/**/*.test.ts'],
      // Native and WebAssembly backends keep process-wide state: one process per test file.
      pool: 'forks',
      maxWorkers: 2,
      testTimeout: 60_000,
      reporters,
      setupFiles: [new URL('./vitest.setup.ts', import.meta.url).pathname],
      ...test,
    },
  });
}
