import {
  meanSquaredError,
  replaceWeights,
  softmax,
  softReconstruct,
  type Tensor,
  TensorOps,
  withGradients,
} from '@vq4dit/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  BLOCK_LINEARS,
  blockForward,
  blockLayer,
  blockLinearShapes,
  DiTWeights,
  ditForward,
  embedTokens,
} from '../src/index.ts';
import { BACKENDS } from './support/backends.ts';
import { expectClose } from './support/compare.ts';
import { checkpoint, config, golden } from './support/tiny.ts';

// Asked for. Measured: at most 1.7e-5 on both backends.
const TOLERANCE = 1e-3;

/** All quantized layers, their recorded leaves and where their gradients are. */
const layers = Array.from({ length: config.depth }, (_, index) =>
  BLOCK_LINEARS.map((name) => ({ path: blockLayer(index, name), name })),
).flat();
const LEAVES = ['codebook', 'logits', 'bias'] as const;

describe.each(BACKENDS)('calibration against PyTorch on $name', ({ create }) => {
  let ops: TensorOps;
  let model: DiTWeights;
  beforeAll(async () => {
    ops = new TensorOps(await create());
    model = await DiTWeights.load(ops, config, checkpoint);
  });
  afterAll(() => ops.backend.close());

  it('gives the loss and its gradient for every codebook, logit and bias', async () => {
    const before = ops.memory().liveTensors;
    await ops.scope(async (s) => {
      const recorded = (name: string) => s.tensor(golden.f32(name), golden.shape(name));
      const x = recorded('forward.x');
      const [t, y] = [golden.i32('forward.t'), golden.i32('forward.y')];
      const teacher: Tensor[] = [];
      ditForward(s, model, x, t, y, { onBlock: (_, output) => void teacher.push(s.alias(output)) });

      const leaves = layers.flatMap(({ path }) =>
        LEAVES.map((leaf) => ({
          name: `calibration.${path}`,
          leaf,
          tensor: recorded(`calibration.${path}.${leaf}`),
        })),
      );
      const { loss, gradients } = withGradients(
        s,
        leaves.map(({ tensor }) => tensor),
        (o) => {
          const soft = new Map<string, Tensor>();
          for (const [i, { path, name }] of layers.entries()) {
            const [codebook, logits, bias] = leaves.slice(3 * i).map(({ tensor }) => tensor);
            const file = `calibration.${path}.candidates`;
            const candidates = o.indices(golden.i32(file), golden.shape(file));
            const rows = softReconstruct(o, codebook!, candidates, softmax(o, logits!));
            soft.set(`${path}.weight`, o.reshape(rows, blockLinearShapes(config)[name]));
            soft.set(`${path}.bias`, bias!);
          }
          return studentLoss(o, replaceWeights(model.lookup, soft), teacher);
        },
      );
      expectClose('loss', await s.read(loss), golden.f32('calibration.loss'), TOLERANCE);
      expect(gradients).toHaveLength(3 * BLOCK_LINEARS.length * config.depth);
      for (const [i, { name, leaf }] of leaves.entries()) {
        const file = `${name}.grad_${leaf}`;
        expectClose(file, await s.read(gradients[i]!), golden.f32(file), TOLERANCE);
      }

      /** The student runs end to end: its own block output is its next block's input. */
      function studentLoss(o: TensorOps, lookup: typeof model.lookup, outputs: readonly Tensor[]) {
        const { tokens, conditioning } = embedTokens(o, lookup, config, x, t, y);
        let current = tokens;
        let sum = o.scalar(0);
        for (const [index, expected] of outputs.entries()) {
          current = blockForward(o, lookup, config, index, current, conditioning);
          sum = o.add(sum, meanSquaredError(o, current, expected));
        }
        return o.mul(sum, o.scalar(1 / outputs.length));
      }
    });
    expect(ops.memory().liveTensors).toBe(before);
  });
});
