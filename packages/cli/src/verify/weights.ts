import { layerSize, type ModelFile } from '@vq4dit/checkpoint';
import { ModelError, totalQuantizedSize, UniformWeight, type VqWeight } from '@vq4dit/core';

/** Metadata string of an artefact: layers whose weights were changed, with equal outputs, before. */
export const REPARAMETRIZED = 'reparametrized_layers';

/** Error of one quantized matrix. */
export interface LayerReport {
  readonly name: string;
  /**
   * Mean squared error per weight; undefined where the method has changed the weights together with
   * their neighbours before it quantized them, so that the original's are not what they stand for.
   */
  readonly mse: number | undefined;
  /** Signal to quantization noise, 10 log10(sum w^2 / sum e^2), in dB; undefined without `mse` or error. */
  readonly sqnr: number | undefined;
  /** Codewords that at least one sub-vector uses; on uniform grids, codes that any weight has. */
  readonly used: number;
  /** Codewords of all codebooks; on uniform grids, points of a grid. */
  readonly codewords: number;
}

/** What {@link compareWeights} found. */
export interface WeightReport {
  readonly layers: readonly LayerReport[];
  /** Over all layers; undefined as in a layer. */
  readonly total: { readonly mse: number | undefined; readonly sqnr: number | undefined };
  /** Tensors outside the quantized matrices that differ: the trained biases. */
  readonly changed: readonly string[];
  readonly bitsPerWeight: number;
}

/**
 * Compares an artefact with its original, one tensor at a time.
 *
 * @throws ModelError where they are not the same model, or a tensor that must not change did
 */
export async function compareWeights(
  original: ModelFile,
  quantized: ModelFile,
): Promise<WeightReport> {
  const layers: LayerReport[] = [];
  const infos = quantized.quantizedLayers();
  const matrices = new Set(infos.map(({ name }) => `${name}.weight`));
  const moved = new Set(quantized.artefact?.metadata[REPARAMETRIZED]?.split(' '));
  let [signal, noise, count] = [0, 0, 0];
  for (const { name } of infos) {
    const weight = await quantized.readQuantized(name);
    const [s, n, length] = compare(
      await original.readFloat32(`${name}.weight`),
      weight.reconstruct(),
      `${name}.weight`,
    );
    const errors = { mse: n / length, sqnr: decibels(s, n) };
    const none = { mse: undefined, sqnr: undefined };
    layers.push({ name, ...(moved.has(name) ? none : errors), ...usage(weight) });
    signal += s;
    noise += n;
    count += length;
  }
  const changed = await changedTensors(original, quantized, matrices);
  const trained = new Set(infos.map(({ name }) => `${name}.bias`));
  const foreign = changed.find((name) => !trained.has(name));
  if (foreign !== undefined) {
    throw new ModelError(
      `${quantized.name}: tensor ${foreign} differs from ${original.name}, though nothing has quantized or trained it; the artefact belongs to another checkpoint.`,
    );
  }
  const size = totalQuantizedSize(infos.map(layerSize));
  return {
    layers,
    total:
      moved.size > 0
        ? { mse: undefined, sqnr: undefined }
        : { mse: noise / count, sqnr: decibels(signal, noise) },
    changed,
    bitsPerWeight: size.bitsPerWeight,
  };
}

function usage(weight: VqWeight | UniformWeight): Pick<LayerReport, 'used' | 'codewords'> {
  if (weight instanceof UniformWeight) {
    return { used: new Set(weight.codes).size, codewords: 2 ** weight.bits };
  }
  const { codes, subvectorsPerGroup, groups, k } = weight;
  const used = new Set<number>();
  codes.forEach((code, i) => {
    used.add(Math.floor(i / subvectorsPerGroup) * k + code);
  });
  return { used: used.size, codewords: groups * k };
}

async function changedTensors(
  original: ModelFile,
  quantized: ModelFile,
  matrices: ReadonlySet<string>,
): Promise<string[]> {
  const changed: string[] = [];
  const there = new Set(original.names());
  for (const name of quantized.names()) {
    if (matrices.has(name) || !there.has(name)) continue;
    const [a, b] = [await original.readFloat32(name), await quantized.readFloat32(name)];
    if (a.length !== b.length || a.some((value, i) => !Object.is(value, b[i]))) changed.push(name);
  }
  return changed;
}

/** Sums of squares of the values and of the differences, in float64. */
function compare(a: Float32Array, b: Float32Array, name: string): [number, number, number] {
  if (a.length !== b.length) {
    throw new ModelError(
      `${name} has ${a.length} weights in one model and ${b.length} in the other.`,
    );
  }
  let [signal, noise] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! - b[i]!;
    signal += a[i]! * a[i]!;
    noise += difference * difference;
  }
  return [signal, noise, a.length];
}

const decibels = (signal: number, noise: number) =>
  noise === 0 ? undefined : 10 * Math.log10(signal / noise);
