import { fileURLToPath } from 'node:url';
import { openModel, writeSafetensors } from '@vq4dit/checkpoint';
import { DEFAULT_SETTINGS, planLayers } from '@vq4dit/cli';
import { RandomStream, VectorQuantizer } from '@vq4dit/core';
import { demoModel } from '@vq4dit/demo-model';
import { ditConfigToJson, respacedTimesteps } from '@vq4dit/dit';

/** Images of one training step, as the demo model is trained. */
const TRAINING_BATCH = 64;
/** Iterations of k-means; the time of a calibration step does not depend on the codebooks' worth. */
const ITERATIONS = 10;

/**
 * The demo model and the inputs of one training, one calibration and one sampling step, drawn from a
 * seed, for ourselves and for the peers.
 */
export async function makeProblems() {
  const model = await openModel(fileURLToPath(demoModel.checkpoint));
  const { config } = model;
  const weights = new Map();
  for (const name of model.names()) {
    weights.set(name, { shape: model.entry(name).shape, data: await model.readFloat32(name) });
  }
  await model.close();
  const random = new RandomStream(0, 'benchmark');
  const image = config.inputSize ** 2;
  const noise = (name, count) => random.derive(name).fillNormal(new Float32Array(count * image));
  const labels = random.derive('labels');
  const times = random.derive('times');
  const drawn = (count, draw) => Int32Array.from({ length: count }, draw);

  const training = {
    // Clean images are in [-1, 1]; what they show makes no difference to the time.
    start: noise('start', TRAINING_BATCH).map((x) => Math.max(-1, Math.min(1, x / 2))),
    noise: noise('noise', TRAINING_BATCH),
    timesteps: drawn(TRAINING_BATCH, () => times.integer(1000)),
    labels: drawn(TRAINING_BATCH, () => labels.integer(11)),
  };
  const { batch, steps } = DEFAULT_SETTINGS.budget;
  const calibration = {
    steps,
    x: noise('calibration', batch),
    labels: drawn(batch, () => labels.integer(11)),
    layers: await quantizeLayers(config, weights),
    options: DEFAULT_SETTINGS.calibration,
  };
  const sampling = {
    steps: 50,
    cfg: 1.5,
    x: noise('sampling', 10),
    labels: drawn(10, (_, i) => i),
  };
  return { config, weights, training, calibration, sampling };
}

async function quantizeLayers(config, weights) {
  const quantizer = new VectorQuantizer({ ...DEFAULT_SETTINGS, maxIterations: ITERATIONS });
  const layers = new Map();
  for (const plan of planLayers(config, DEFAULT_SETTINGS)) {
    const { data } = weights.get(`${plan.name}.weight`);
    layers.set(plan.name, await quantizer.quantize({ ...plan, data }));
  }
  return layers;
}

/** Writes what the scripts in `benchmarks/peers` read. */
export async function writeProblems(folder, { config, weights, training, calibration, sampling }) {
  const size = config.inputSize;
  const images = (data) => ({ shape: [data.length / size ** 2, 1, size, size], data });
  const list = (data) => ({ shape: [data.length], data });
  const named = [...weights].map(([name, tensor]) => [`weight.${name}`, tensor]);
  const metadata = { config: JSON.stringify(ditConfigToJson(config)) };
  const write = (name, entries, more = {}) =>
    writeSafetensors(
      `${folder}/${name}.safetensors`,
      [...named, ...entries].map(([tensor, { shape, data }]) => ({
        name: tensor,
        dtype: data instanceof Int32Array ? 'I32' : 'F32',
        shape: [...shape],
        data: () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      })),
      { ...metadata, ...more },
    );
  await write('train', [
    ['start', images(training.start)],
    ['noise', images(training.noise)],
    ['t', list(training.timesteps)],
    ['y', list(training.labels)],
  ]);
  const layers = [...calibration.layers].flatMap(([name, weight]) => {
    const { groups, k, d, codebook, codes, subvectorsPerGroup } = weight;
    const counted = Int32Array.from(codes, (c, i) => c + k * Math.floor(i / subvectorsPerGroup));
    return [
      [`codebook.${name}`, { shape: [groups * k, d], data: codebook }],
      [`codes.${name}`, list(counted)],
    ];
  });
  await write('calibration', [
    ...layers,
    ['x', images(calibration.x)],
    ['y', list(calibration.labels)],
    ['timesteps', list(respacedTimesteps(calibration.steps))],
  ]);
  await write(
    'sample',
    [
      ['x', images(sampling.x)],
      ['y', list(sampling.labels)],
      ['timesteps', list(respacedTimesteps(sampling.steps))],
    ],
    { cfg: String(sampling.cfg) },
  );
}
