import fc from 'fast-check';

/**
 * Property tests are seeded, so that a red run can be replayed: by default with one fixed seed,
 * or with `VQ4DIT_TEST_SEED=<integer> npm test` to search elsewhere. fast-check prints seed and
 * path of every failure.
 */
const seed = Number(process.env.VQ4DIT_TEST_SEED ?? 20240817);
if (!Number.isInteger(seed)) throw new Error('VQ4DIT_TEST_SEED must be an integer');
fc.configureGlobal({ seed, endOnFailure: false });
