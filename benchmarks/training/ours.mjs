import { calibrate, TensorOps } from '@vq4dit/core';
import {
  DiTWeights,
  ditBlockStack,
  ditForward,
  sampleSteps,
  seededNoise,
  walkTrajectory,
} from '@vq4dit/dit';
import { DEFAULT_SETTINGS as TRAINING } from '../../tools/train-demo/dist/settings.js';
import { startState, Trainer } from '../../tools/train-demo/dist/trainer.js';

/**
 * The three kinds of step on one backend, in Node or in a browser: functions of how many, that give the seconds of each.
 */
export async function createOurs(name, backend, problems) {
  const ops = new TensorOps(backend);
  const { config, weights, training, calibration, sampling } = problems;
  const source = {
    names: () => [...weights.keys()],
    entry: (tensor) => weights.get(tensor),
    readFloat32: async (tensor) => weights.get(tensor).data,
  };
  const model = await DiTWeights.load(ops, config, source);
  const state = new Map([...weights].map(([tensor, { data }]) => [tensor, data]));
  const trainer = new Trainer(ops, { ...TRAINING, config, warmup: 0 }, startState(state));
  let trained = 0;

  return {
    name,
    device: backend.info().device,
    async train(count) {
      return times(count, async () => (await trainer.step(++trained, training)).loss);
    },
    async calibration(count) {
      const stopwatch = startStopwatch();
      const aborted = new AbortController();
      const job = {
        stack: ditBlockStack(model),
        source: walk(model, calibration),
        layers: new Map(
          [...calibration.layers].map(([layer, weight]) => [layer, hardStart(layer, weight)]),
        ),
        trajectories: 1,
        options: { ...calibration.options, candidates: 1 },
        signal: aborted.signal,
        onProgress({ blockError }) {
          stopwatch.lap(blockError);
          if (stopwatch.laps.seconds.length === count + 1) aborted.abort();
        },
      };
      await calibrate(ops, job).catch((error) => {
        if (error.name !== 'InterruptedError') throw error;
      });
      // The first lap has the upload of all layers in it.
      const { seconds, values } = stopwatch.laps;
      return { seconds: seconds.slice(1), values };
    },
    async sample(count) {
      const { x, steps, cfg, labels } = sampling;
      const noise = { ...seededNoise(0), initial: from(x, config) };
      const walking = sampleSteps(ops, model, { labels, steps, noise, cfgScale: cfg });
      const value = await outputSize(ops, model, problems);
      const { seconds } = await times(count, () => walking.next());
      await walking.return();
      return { seconds, values: [value] };
    },
    async close() {
      trainer[Symbol.dispose]();
      model.dispose();
      await backend.close();
    },
  };

  function hardStart(layer, weight) {
    return {
      weight,
      candidates: Int32Array.from(weight.codes),
      logits: new Float32Array(weight.codes.length),
      bias: weights.get(`${layer}.bias`).data,
    };
  }
}

async function times(count, step) {
  const stopwatch = startStopwatch();
  for (let i = 0; i < count; i++) stopwatch.lap(await step());
  return stopwatch.laps;
}

function startStopwatch() {
  const laps = { seconds: [], values: [] };
  let last = performance.now();
  return {
    laps,
    lap(value) {
      const now = performance.now();
      laps.seconds.push((now - last) / 1000);
      laps.values.push(value);
      last = now;
    },
  };
}

/** The trajectory that the peers walk too: unguided, from the same noise. */
function walk(model, { x, labels, steps }) {
  const noise = { ...seededNoise(0), initial: from(x, model.config) };
  return {
    stepsPerTrajectory: steps,
    trajectory: (ops) => walkTrajectory(ops, model, { labels, noise, steps }),
  };
}

function from(images, { inputSize }) {
  const size = inputSize ** 2;
  return (image, out) => out.set(images.subarray(image * size, (image + 1) * size));
}

/** Mean square of the model's output at the first sampling step, to check the peers by. */
function outputSize(ops, model, { sampling, config }) {
  const { x, labels } = sampling;
  return ops.scope(async (s) => {
    const half = s.tensor(x, [labels.length, 1, config.inputSize, config.inputSize]);
    const nulls = labels.map(() => config.numClasses);
    const t = new Int32Array(2 * labels.length).fill(999);
    const output = ditForward(s, model, s.concat([half, half], 0), t, [...labels, ...nulls]);
    return s.readScalar(s.mean(s.square(output)));
  });
}
