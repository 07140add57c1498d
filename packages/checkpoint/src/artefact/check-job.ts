import { ArgumentError, checkUniformBits, NonFiniteError } from '@vq4dit/core';
import { expectedTensors } from '@vq4dit/dit';
import { quote } from '../io/describe.ts';
import { MAX_CODEWORDS, MAX_SUBVECTOR, type UniformScheme, weightName } from './format.ts';
import type { ArtefactJob } from './job.ts';
import { isCount } from './layer-table.ts';

function checkUniformScheme(
  { granularity, groupSize }: UniformScheme,
  codewords: number,
  subvector: number,
): void {
  const bits = Math.log2(codewords);
  checkUniformBits(bits);
  if (subvector !== 1 || (granularity === 'group') !== isCount(groupSize)) {
    throw new ArgumentError(
      `Uniform grids have sub-vectors of one weight, and a group size where the granularity is group; not ${subvector} and ${groupSize}.`,
    );
  }
}

/**
 * Checks a job against its model before anything is computed or written. Returns it with its layers
 * in the order of the model, so that the order in which they are given does not show.
 *
 * @throws ArgumentError, NonFiniteError
 */
export function checkJob(job: ArtefactJob): ArtefactJob {
  const { model, layers, biases = new Map(), codewords, subvector, candidates = 1 } = job;
  if (job.uniform) checkUniformScheme(job.uniform, codewords, subvector);
  if (model.kind !== 'checkpoint') {
    throw new ArgumentError(
      `${model.name}: this model is already quantized; quantize the floating-point one.`,
    );
  }
  const limits = { codewords: MAX_CODEWORDS, subvector: MAX_SUBVECTOR, candidates: MAX_CODEWORDS };
  for (const [key, value] of Object.entries({ codewords, subvector, candidates })) {
    const most = limits[key as keyof typeof limits];
    if (!isCount(value) || value > most) {
      throw new ArgumentError(`${key} must be an integer from 1 to ${most}, not ${value}.`);
    }
  }
  const expected = expectedTensors(model.config);
  const place = new Map([...expected.keys()].map((name, i) => [name, i]));
  const seen = new Set<string>();
  for (const { name } of layers) {
    if (expected.get(weightName(name))?.length !== 2) {
      throw new ArgumentError(`The model has no weight matrix ${quote(weightName(name))}.`);
    }
    if (seen.has(name)) throw new ArgumentError(`Layer ${quote(name)} is given twice.`);
    seen.add(name);
  }
  for (const [name, values] of biases) {
    const shape = expected.get(name);
    const elements = shape?.reduce((product, size) => product * size, 1);
    if (elements !== values.length || layers.some((layer) => weightName(layer.name) === name)) {
      throw new ArgumentError(
        `${quote(name)} with ${values.length} values does not replace a tensor of the model.`,
      );
    }
    const bad = values.findIndex((value: number) => !Number.isFinite(value));
    if (bad >= 0) {
      throw new NonFiniteError(`${name} holds ${values[bad]} at element ${bad}.`);
    }
  }
  const position = (name: string) => place.get(weightName(name))!;
  return { ...job, layers: [...layers].sort((a, b) => position(a.name) - position(b.name)) };
}
