import { FileFormatError } from '@vq4dit/core';
import type { GaussianStatistics } from '../metrics/statistics.ts';
import type { NpzFile } from '../npz/index.ts';

/** Names of mean and covariance in the reference batches of ADM (Dhariwal & Nichol 2021). */
const PAIRS = { statistics: ['mu', 'sigma'], spatial: ['mu_s', 'sigma_s'] } as const;

/**
 * The statistics in an .npz reference batch: `mu`, `sigma` for FID and `mu_s`, `sigma_s` for sFID.
 *
 * @throws FileFormatError where only one of a pair is there, or shapes or values do not fit
 */
export async function npzStatistics(
  file: NpzFile,
): Promise<{ statistics?: GaussianStatistics; spatial?: GaussianStatistics }> {
  const statistics = await pair(file, ...PAIRS.statistics);
  const spatial = await pair(file, ...PAIRS.spatial);
  return { ...(statistics && { statistics }), ...(spatial && { spatial }) };
}

async function pair(file: NpzFile, mean: string, covariance: string) {
  const there = [mean, covariance].filter((name) => file.names().includes(name));
  if (there.length === 0) return undefined;
  if (there.length === 1) {
    throw new FileFormatError(
      `${file.name}: there is ${there[0]}, but not both of ${mean} and ${covariance}; a reference batch has both.`,
    );
  }
  const [mu, sigma] = [await file.read(mean), await file.read(covariance)];
  const features = mu.values.length;
  if (mu.shape.length !== 1 || sigma.shape.join() !== `${features},${features}`) {
    throw new FileFormatError(
      `${file.name}: ${mean} has shape [${mu.shape.join(', ')}] and ${covariance} [${sigma.shape.join(', ')}]; expected [F] and [F, F].`,
    );
  }
  return { mean: Float64Array.from(mu.values), covariance: Float64Array.from(sigma.values) };
}
