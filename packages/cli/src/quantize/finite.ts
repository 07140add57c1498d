import type { ModelFile } from '@vq4dit/checkpoint';
import { NonFiniteError } from '@vq4dit/core';

/**
 * Checks the tensors that are not quantized, which no k-means looks at; one at a time.
 *
 * @param quantized full names of the matrices that k-means will check
 * @throws NonFiniteError for NaN or infinity
 */
export async function checkFinite(model: ModelFile, quantized: ReadonlySet<string>): Promise<void> {
  const unused = new Set(model.extra);
  for (const name of model.names()) {
    if (quantized.has(name) || unused.has(name)) continue;
    const values = await model.readFloat32(name);
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw new NonFiniteError(
        `${model.name}: tensor ${name} holds ${values[bad]} at element ${bad}; the checkpoint is damaged or its training diverged.`,
      );
    }
  }
}
