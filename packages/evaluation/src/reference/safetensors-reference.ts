import type { TensorFile } from '@vq4dit/checkpoint';
import { typedArray } from '@vq4dit/checkpoint';
import { FileFormatError } from '@vq4dit/core';
import type { GaussianStatistics } from '../metrics/statistics.ts';
import type { Reference } from './reference.ts';

/**
 * The reference in a safetensors file as the demo model brings it: `mu` and `sigma`, `mu_spatial`
 * and `sigma_spatial` (float64), and `features` [N, F] (float32); any of them may be missing.
 *
 * @throws FileFormatError where none is there or shapes do not fit
 */
export async function safetensorsReference(file: TensorFile): Promise<Reference> {
  const statistics = await pair(file, 'mu', 'sigma');
  const spatial = await pair(file, 'mu_spatial', 'sigma_spatial');
  const vectors = file.has('features') ? await file.readFloat32('features') : undefined;
  const features = vectors ? file.entry('features').shape[1] : undefined;
  if (!statistics && !vectors) {
    throw new FileFormatError(
      `${file.name}: there are neither statistics (mu, sigma) nor features; this is no reference batch.`,
    );
  }
  if (vectors && (features === undefined || file.entry('features').shape.length !== 2)) {
    throw new FileFormatError(`${file.name}: features must have shape [N, F].`);
  }
  return {
    name: file.name,
    ...(statistics && { statistics }),
    ...(spatial && { spatial }),
    ...(vectors && { pooled: { vectors, features: features! } }),
  };
}

async function pair(
  file: TensorFile,
  mean: string,
  covariance: string,
): Promise<GaussianStatistics | undefined> {
  if (!file.has(mean) || !file.has(covariance)) return undefined;
  const [features] = file.entry(mean).shape;
  const shape = file.entry(covariance).shape;
  if (file.entry(mean).shape.length !== 1 || shape.join() !== `${features},${features}`) {
    throw new FileFormatError(
      `${file.name}: ${mean} and ${covariance} must have shapes [F] and [F, F].`,
    );
  }
  const read = async (name: string) => {
    const { dtype, data } = await file.read(name);
    if (dtype !== 'F64') {
      throw new FileFormatError(`${file.name}: ${name} must be float64, not ${dtype}.`);
    }
    return Float64Array.from(typedArray(data, 'F64') as Float64Array);
  };
  return { mean: await read(mean), covariance: await read(covariance) };
}
