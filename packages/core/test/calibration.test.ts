import { createReferenceBackend } from '@vq4dit/backend-reference';
import { describe, expect, it } from 'vitest';
import {
  type BlockStack,
  type CalibratedWeight,
  type CalibrationJob,
  type CalibrationOptions,
  type CalibrationProgress,
  type CalibrationSource,
  type CalibrationState,
  calibrate,
  collectGrams,
  collectRanges,
  InterruptedError,
  type LayerStart,
  linear,
  OUTPUT_ERROR_RECIPE,
  PAPER_RECIPE,
  PUBLISHED_CODE_RECIPE,
  RandomStream,
  startLayer,
  type Tensor,
  TensorOps,
  VectorQuantizer,
  type WeightMatrix,
} from '../src/index.ts';

/** Two blocks x + tanh(W x + b) + conditioning of width 8: small, but with every part of the real thing. */
const WIDTH = 8;
const BLOCKS = 2;
const layerName = (block: number) => `blocks.${block}.fc`;

async function toy(options: CalibrationOptions) {
  const ops = new TensorOps(createReferenceBackend());
  const random = new RandomStream(7);
  const quantizer = new VectorQuantizer({ codewords: 4, subvector: 2, seed: 1 });
  const weights = new Map<string, Tensor>();
  const layers = new Map<string, LayerStart>();
  const originals: { matrix: WeightMatrix; bias: Float32Array }[] = [];
  for (let block = 0; block < BLOCKS; block++) {
    const name = layerName(block);
    const data = random.derive(name).fillNormal(new Float32Array(WIDTH * WIDTH));
    const bias = random.derive(name, 'bias').fillNormal(new Float32Array(WIDTH));
    weights.set(`${name}.weight`, ops.tensor(data, [WIDTH, WIDTH]));
    weights.set(`${name}.bias`, ops.tensor(bias, [WIDTH]));
    originals.push({ matrix: { name, rows: WIDTH, columns: WIDTH, data, groups: 2 }, bias });
  }
  const stack: BlockStack = {
    blockCount: BLOCKS,
    layersOf: (block) => [layerName(block)],
    weights: (name) => weights.get(name)!,
    forwardBlock(o, block, tokens, conditioning, lookup) {
      const name = layerName(block);
      const inner = linear(o, tokens, lookup(`${name}.weight`), { bias: lookup(`${name}.bias`) });
      return o.add(o.add(tokens, o.tanh(inner)), conditioning);
    },
  };
  const mixing = ops.tensor(random.derive('mixing').fillNormal(new Float32Array(3 * WIDTH)), [
    3,
    WIDTH,
  ]);
  const source: CalibrationSource = {
    stepsPerTrajectory: 5,
    async *trajectory(o, index, watcher) {
      for (let step = 0; step < 5; step++) {
        const stream = random.derive('trajectory', index, step);
        const tensor = (s: TensorOps, label: string, shape: [number, number]) =>
          s.tensor(stream.derive(label).fillNormal(new Float32Array(shape[0] * shape[1])), shape);
        // Inputs of a network are correlated; on white noise k-means could not be improved upon.
        const tokens = o.scope((s) => s.matmul(tensor(s, 'tokens', [16, 3]), mixing));
        const conditioning = o.scope((s) =>
          s.mul(tensor(s, 'conditioning', [16, WIDTH]), s.scalar(0.1)),
        );
        const blockOutputs: Tensor[] = [];
        for (let block = 0; block < BLOCKS; block++) {
          const input = blockOutputs.at(-1) ?? tokens;
          watcher?.observe(layerName(block), input);
          blockOutputs.push(
            o.scope((s) => stack.forwardBlock(s, block, input, conditioning, stack.weights)),
          );
          await watcher?.afterBlock();
        }
        yield { timestep: 4 - step, tokens, conditioning, blockOutputs };
        for (const tensor of [tokens, conditioning, ...blockOutputs]) tensor.dispose();
      }
    },
  };
  const grams = await collectGrams(ops, { stack, source, trajectories: 2 });
  for (const { matrix, bias } of originals) {
    const gram = grams.get(matrix.name)!;
    const quantized = await quantizer.quantize(matrix);
    layers.set(matrix.name, await startLayer(matrix, quantized, bias, { ...options, gram }));
  }
  const run = (job: Partial<CalibrationJob> = {}) =>
    calibrate(ops, { stack, source, layers, trajectories: 12, options, ...job });

  /** Mean block-output error of hard weights on inputs that no calibration has seen, end to end. */
  async function errorOf(results: ReadonlyMap<string, CalibratedWeight>): Promise<number> {
    let total = 0;
    for (let i = 0; i < 8; i++) {
      for await (const step of source.trajectory(ops, 1000 + i)) {
        const error = ops.scope((s) => {
          let x = step.tokens;
          const errors = step.blockOutputs.map((target, block) => {
            const { weight, bias } = results.get(layerName(block))!;
            const own = s.tensor(weight.reconstruct(), [WIDTH, WIDTH]);
            const ownBias = s.tensor(bias, [WIDTH]);
            x = stack.forwardBlock(s, block, x, step.conditioning, (name) =>
              name.endsWith('.weight') ? own : ownBias,
            );
            return s.mean(s.square(s.sub(x, target)));
          });
          return s.add(errors[0]!, errors[1]!);
        });
        total += await ops.readScalar(error);
        error.dispose();
      }
    }
    return total / 80;
  }

  const uncalibrated = new Map(
    [...layers].map(([name, { weight, bias }]) => [
      name,
      { weight, bias, choice: new Int32Array(weight.codes.length) },
    ]),
  );
  return { ops, run, errorOf, uncalibrated, grams, source, stack, layers };
}

const RECIPE: CalibrationOptions = {
  ...PAPER_RECIPE,
  learningRates: { codebook: 2e-2, softCodebook: 2e-2, ratio: 0.1, bias: 2e-2 },
};

describe('calibration', () => {
  it('lowers the error of unseen block outputs below plain VQ and codebooks alone', async () => {
    const soft = await toy(RECIPE);
    const codebookOnly = await toy({ ...RECIPE, candidates: 1 });
    const plain = await soft.errorOf(soft.uncalibrated);
    const calibrated = await soft.errorOf(await soft.run());
    const single = await codebookOnly.errorOf(await codebookOnly.run());
    expect(single).toBeLessThan(plain);
    expect(calibrated).toBeLessThan(single);
    expect(calibrated).toBeLessThan(plain / 2);
  });

  for (const [name, options] of [
    ['paper', RECIPE],
    ['quantized block inputs', { ...RECIPE, blockInputs: 'quantized' }],
    [
      'floating-point inputs while soft',
      {
        ...RECIPE,
        blockInputs: 'floating-point-while-soft',
        learningRateSchedule: 'cosine-after-deadline',
      },
    ],
    [
      'published code',
      {
        ...PUBLISHED_CODE_RECIPE,
        learningRates: { ...RECIPE.learningRates, softCodebook: 0 },
      },
    ],
    ['three candidates', { ...RECIPE, candidates: 3, ratioStart: 'inverse-distance' }],
    ['output-error', { ...OUTPUT_ERROR_RECIPE, learningRates: RECIPE.learningRates }],
    ['warm-up', { ...RECIPE, warmup: 0.3 }],
    [
      'rates in units of the layer error',
      {
        ...RECIPE,
        codebookRateUnit: 'layer-error',
        learningRates: { ...RECIPE.learningRates, codebook: 0.04, softCodebook: 0.04 },
      },
    ],
    ['frozen biases', { ...RECIPE, learningRates: { ...RECIPE.learningRates, bias: 0 } }],
  ] as [string, CalibrationOptions][]) {
    it(`${name}: ends with hard assignments among the candidates and frees everything`, async () => {
      const { ops, run, errorOf, uncalibrated } = await toy(options);
      const before = ops.memory();
      const events: CalibrationProgress[] = [];
      const results = await run({ onProgress: (event) => events.push(event) });
      expect(ops.memory()).toEqual(before);
      expect(events.map((event) => event.step)).toEqual(
        Array.from({ length: 60 }, (_, i) => i + 1),
      );
      for (const { choice } of results.values()) {
        expect(Math.max(...choice)).toBeLessThan(options.candidates);
      }
      expect(await errorOf(results)).toBeLessThan(await errorOf(uncalibrated));
    });

    it(`${name}: goes on after an interruption as if there had been none`, async () => {
      const { run } = await toy(options);
      const whole = await run();
      for (const stopAfter of [3, 8]) {
        let saved: CalibrationState | undefined;
        const stop = new AbortController();
        const interrupted = run({
          signal: stop.signal,
          onTrajectory: async (state) => {
            saved = structuredClone(state);
            if (state.trajectories === stopAfter) stop.abort();
          },
        });
        await expect(interrupted).rejects.toThrow(InterruptedError);
        expect(saved!.trajectories).toBe(stopAfter);
        expect(await run({ resume: saved! })).toEqual(whole);
      }
    });
  }

  it('chooses assignments by output error better than codebooks alone can be trained', async () => {
    const recipe = { ...OUTPUT_ERROR_RECIPE, learningRates: RECIPE.learningRates };
    const chosen = await toy(recipe);
    const codebookOnly = await toy({ ...recipe, candidates: 1 });
    const [many, one] = [await chosen.run(), await codebookOnly.run()];
    expect(await chosen.errorOf(many)).toBeLessThan(0.8 * (await codebookOnly.errorOf(one)));
  });

  it('takes the statistics of the inputs that the layers are given', async () => {
    const { ops, grams, source } = await toy(RECIPE);
    const expected = new Float64Array(WIDTH * WIDTH);
    for (const trajectory of [0, 1]) {
      for await (const { blockOutputs } of source.trajectory(ops, trajectory)) {
        const x = await ops.read(blockOutputs[0]!); // [16, WIDTH], the input of block 1
        for (let row = 0; row < 16; row++) {
          for (let i = 0; i < WIDTH * WIDTH; i++) {
            const [a, b] = [Math.floor(i / WIDTH), i % WIDTH];
            expected[i]! += (x[row * WIDTH + a]! * x[row * WIDTH + b]!) / 160;
          }
        }
      }
    }
    const scale = Math.max(...expected.map(Math.abs));
    const gram = grams.get(layerName(1))!;
    // Each of the ten products is rounded to float32 a few times.
    for (const [i, value] of gram.entries()) {
      expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-6 * scale);
    }
  });

  it('takes the ranges of the inputs, and of chosen layers only', async () => {
    const { ops, stack, source } = await toy(RECIPE);
    const layers = new Set([layerName(1)]);
    const ranges = await collectRanges(ops, { stack, source, trajectories: 2, layers });
    expect([...ranges.keys()]).toEqual([layerName(1)]);
    const low = new Float32Array(WIDTH).fill(Number.POSITIVE_INFINITY);
    const high = new Float32Array(WIDTH).fill(Number.NEGATIVE_INFINITY);
    for (const trajectory of [0, 1]) {
      for await (const { blockOutputs } of source.trajectory(ops, trajectory)) {
        const x = await ops.read(blockOutputs[0]!);
        for (const [i, value] of x.entries()) {
          low[i % WIDTH] = Math.min(low[i % WIDTH]!, value);
          high[i % WIDTH] = Math.max(high[i % WIDTH]!, value);
        }
      }
    }
    expect(ranges.get(layerName(1))).toEqual({ low, high });
    const grams = await collectGrams(ops, { stack, source, trajectories: 1, layers });
    expect([...grams.keys()]).toEqual([layerName(1)]);
  });

  it('frees what it makes of the inputs, and refuses a source that does not show them', async () => {
    const { ops, stack, source } = await toy(RECIPE);
    const before = ops.memory();
    await collectGrams(ops, { stack, source, trajectories: 1 });
    expect(ops.memory()).toEqual(before);

    const blind = { ...source, trajectory: (o: TensorOps, i: number) => source.trajectory(o, i) };
    const statistics = collectGrams(ops, { stack, source: blind, trajectories: 1 });
    await expect(statistics).rejects.toThrow(
      'The calibration source did not show the inputs of layer blocks.0.fc; its trajectory must call the watcher that it is given.',
    );
  });

  it('moves codewords by the rate in the unit that was chosen, and by nothing at the start of a warm-up', async () => {
    const hard = { ...RECIPE, candidates: 1 };
    const onlyStep = async (options: Partial<CalibrationOptions>) => {
      // A rate that no other step has had: the first trajectory's first step, alone.
      const { ops, stack, source, layers } = await toy({ ...hard, ...options });
      const single = {
        stepsPerTrajectory: 1,
        async *trajectory(o: TensorOps) {
          for await (const step of source.trajectory(o, 0)) {
            yield step;
            return;
          }
        },
      };
      const job = { stack, source: single, layers, trajectories: 1 };
      const results = await calibrate(ops, { ...job, options: { ...hard, ...options } });
      return [...layers].map(([name, { weight, error }]) => {
        const moved = results
          .get(name)!
          .weight.codebook.map((value, i) => Math.abs(value - weight.codebook[i]!));
        return { moved: Math.max(...moved), error };
      });
    };
    const { codebook: rate } = hard.learningRates;
    // |g| / sqrt(0.1 g^2): the first step of RMSprop is sqrt(10) rates long.
    const first = rate / Math.sqrt(1 - hard.rmspropDecay);
    for (const { moved } of await onlyStep({})) expect(moved / first).toBeCloseTo(1, 4);
    for (const { moved, error } of await onlyStep({ codebookRateUnit: 'layer-error' })) {
      expect(moved / (first * error)).toBeCloseTo(1, 4);
    }
    for (const { moved } of await onlyStep({ warmup: 0.5 })) expect(moved).toBe(0);
  });

  it('leaves biases alone at rate 0', async () => {
    const { run, uncalibrated } = await toy({
      ...RECIPE,
      learningRates: { ...RECIPE.learningRates, bias: 0 },
    });
    for (const [name, { bias }] of await run()) expect(bias).toEqual(uncalibrated.get(name)!.bias);
  });

  it('keeps the assignments of k-means with one candidate', async () => {
    const { run, uncalibrated } = await toy({ ...RECIPE, candidates: 1 });
    for (const [name, { weight }] of await run()) {
      expect(weight.codes).toEqual(uncalibrated.get(name)!.weight.codes);
      expect(weight.codebook).not.toEqual(uncalibrated.get(name)!.weight.codebook);
    }
  });

  it('rejects options outside their range', async () => {
    const { run } = await toy(RECIPE);
    await expect(run({ options: { ...RECIPE, candidates: 5 } })).rejects.toThrow(/1 to 4, not 5/);
    await expect(run({ options: { ...RECIPE, hardenDeadline: 2 } })).rejects.toThrow(
      /hardenDeadline/,
    );
  });
});
