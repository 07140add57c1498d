import { createReferenceBackend } from '@vq4dit/backend-reference';
import { selfAttention, selfAttentionGradOp, TensorOps } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Host, host, normal } from './support/devices.ts';
import { evaluate, type Operation, relativeError, useFused } from './support/fused.ts';

const devices = useFused();

/** Images, tokens, heads, width of a head. */
type Params = readonly [images: number, tokens: number, heads: number, d: number];

/**
 * Relative error over a whole output. Measured over all cases here: at most 9e-7, most of it the
 * rounding of scores of which e^s is taken.
 */
const BOUND = 2e-6;

/** Element (image, token, part, head, column) of q, k, v side by side. */
const element = ({ data }: { data: ArrayLike<number> }, [, tokens, heads, d]: Params) => {
  const width = heads * d;
  return (n: number, t: number, part: number, h: number, c: number) =>
    data[((n * tokens + t) * 3 + part) * width + h * d + c]!;
};

/** Probabilities of one head in float64: [T][T]. */
function probabilities(qkv: { data: ArrayLike<number> }, params: Params, n: number, h: number) {
  const [, tokens, , d] = params;
  const at = element(qkv, params);
  return Array.from({ length: tokens }, (_, i) => {
    const scores = Array.from({ length: tokens }, (_, j) => {
      let sum = 0;
      for (let c = 0; c < d; c++) sum += at(n, i, 0, h, c) * at(n, j, 1, h, c);
      return sum / Math.sqrt(d);
    });
    const most = Math.max(...scores);
    const powers = scores.map((s) => Math.exp(s - most));
    const total = powers.reduce((a, b) => a + b, 0);
    return powers.map((p) => p / total);
  });
}

/** The definition in float64, [N, T, D]. */
function attentionOf(qkv: { data: ArrayLike<number> }, params: Params): Float64Array {
  const [images, tokens, heads, d] = params;
  const at = element(qkv, params);
  const out = new Float64Array(images * tokens * heads * d);
  for (let n = 0; n < images; n++) {
    for (let h = 0; h < heads; h++) {
      probabilities(qkv, params, n, h).forEach((row, i) => {
        for (let c = 0; c < d; c++) {
          let sum = 0;
          for (let j = 0; j < tokens; j++) sum += row[j]! * at(n, j, 2, h, c);
          out[((n * tokens + i) * heads + h) * d + c] = sum;
        }
      });
    }
  }
  return out;
}

/** The gradient's formulas in float64, [N, T, 3D]. */
function gradientOf(qkv: Host, grad: Host, params: Params): Float64Array {
  const [images, tokens, heads, d] = params;
  const at = element(qkv, params);
  const out = new Float64Array(qkv.data.length);
  const place = (n: number, t: number, part: number, h: number) =>
    ((n * tokens + t) * 3 + part) * heads * d + h * d;
  const scale = 1 / Math.sqrt(d);
  for (let n = 0; n < images; n++) {
    for (let h = 0; h < heads; h++) {
      const g = (t: number, c: number) => grad.data[((n * tokens + t) * heads + h) * d + c]!;
      probabilities(qkv, params, n, h).forEach((p, i) => {
        const dp = p.map((_, j) => {
          let sum = 0;
          for (let c = 0; c < d; c++) sum += g(i, c) * at(n, j, 2, h, c);
          return sum;
        });
        const inner = p.reduce((sum, value, j) => sum + value * dp[j]!, 0);
        p.forEach((value, j) => {
          const ds = value * (dp[j]! - inner) * scale;
          for (let c = 0; c < d; c++) {
            out[place(n, i, 0, h) + c]! += ds * at(n, j, 1, h, c);
            out[place(n, j, 1, h) + c]! += ds * at(n, i, 0, h, c);
            out[place(n, j, 2, h) + c]! += value * g(i, c);
          }
        });
      });
    }
  }
  return out;
}

const attend =
  (heads: number): Operation =>
  (ops, [qkv]) => [selfAttention(ops, qkv!, heads)];

const differentiate =
  (heads: number): Operation =>
  (ops, inputs) =>
    ops.composed(selfAttentionGradOp, inputs, { heads });

const inputsOf = ([images, tokens, heads, d]: Params) => ({
  qkv: normal([images, tokens, 3 * heads * d], tokens + d),
  grad: normal([images, tokens, heads * d], 7),
});

async function expectRight(params: Params): Promise<void> {
  const { qkv, grad } = inputsOf(params);
  const heads = params[2];
  const value = attentionOf(qkv, params);
  for (const [got] of await devices.run('selfAttention', attend(heads), [qkv])) {
    expect(relativeError(got!, value), `attention ${params}`).toBeLessThan(BOUND);
  }
  const slope = gradientOf(qkv, grad, params);
  const inputs = [qkv, grad];
  for (const [got] of await devices.run('selfAttentionGrad', differentiate(heads), inputs)) {
    expect(relativeError(got!, slope), `gradient ${params}`).toBeLessThan(BOUND);
  }
}

describe('selfAttention and its gradient', () => {
  it('are right for every number of tokens', async () => {
    for (let tokens = 1; tokens <= 67; tokens++) await expectRight([1, tokens, 2, 5]);
  });

  it('are right for heads of every width', async () => {
    for (let d = 1; d <= 67; d++) await expectRight([1, 5, 2, d]);
  });

  // Around blocks of 128 keys and strips of 128 queries, and bands of 128 columns.
  it.each([
    [3, 49, 3, 64],
    [1, 256, 1, 72],
    [2, 126, 1, 8],
    [1, 127, 2, 8],
    [1, 128, 2, 9],
    [1, 129, 1, 7],
    [1, 257, 1, 4],
    [1, 500, 1, 3],
    [2, 9, 1, 128],
    [1, 9, 2, 130],
    [1, 4, 1, 300],
  ] as Params[])('are right for %i images, %i tokens, %i heads, width %i', (...params) =>
    expectRight(params),
  );

  it('are right for any sizes', async () => {
    const small = (max: number) => fc.integer({ min: 1, max });
    await fc.assert(
      fc.asyncProperty(small(3), small(30), small(3), small(20), (...params) =>
        expectRight(params),
      ),
      { numRuns: 40 },
    );
  });

  it('keep only one block of packed keys where a head is long', async () => {
    // 1024 keys of width 96 are more than is kept; the reference composes the same in float64.
    const params: Params = [1, 1024, 1, 96];
    const { qkv, grad } = inputsOf(params);
    const reference = new TensorOps(createReferenceBackend());
    const compare = async (
      name: 'selfAttention' | 'selfAttentionGrad',
      op: Operation,
      inputs: Host[],
    ) => {
      const [want] = await evaluate(reference, op, inputs);
      for (const [got] of await devices.run(name, op, inputs)) {
        expect(relativeError(got!, want!)).toBeLessThan(BOUND);
      }
    };
    await compare('selfAttention', attend(1), [qkv]);
    await compare('selfAttentionGrad', differentiate(1), [qkv, grad]);
  });

  it('work in the heap where a head is too wide for the working memory of a thread', async () => {
    await expectRight([2, 3, 1, 2500]);
  });

  it('stay exact where one key takes all', async () => {
    // Scores differ by hundreds: probabilities are 0 and 1, also across blocks of keys.
    const [tokens, d] = [300, 4];
    const data = new Float32Array(tokens * 3 * d);
    for (let t = 0; t < tokens; t++) {
      for (let c = 0; c < d; c++) {
        data[(t * 3 + 0) * d + c] = 100;
        data[(t * 3 + 1) * d + c] = t;
        data[(t * 3 + 2) * d + c] = t + c;
      }
    }
    const qkv = host(data, [1, tokens, 3 * d]);
    for (const [got] of await devices.run('selfAttention', attend(1), [qkv])) {
      for (let i = 0; i < got!.length; i++) expect(got![i]).toBe(tokens - 1 + (i % d));
    }
  });

  it('keep NaN and infinity in the head that has them', async () => {
    const params: Params = [2, 9, 2, 6];
    const { qkv } = inputsOf(params);
    const data = qkv.data.slice() as Float32Array;
    const width = 12;
    data[(2 * 3 + 1) * width + 3] = Number.NaN; // a key of image 0, head 0
    data[(9 * 3 + 3 * 3 + 2) * width + 7] = Number.POSITIVE_INFINITY; // a value of image 1, head 1
    const want = attentionOf(qkv, params);
    for (const [got] of await devices.run('selfAttention', attend(2), [host(data, qkv.shape)])) {
      got!.forEach((value, i) => {
        const image = Math.floor(i / (9 * width));
        const head = Math.floor((i % width) / 6);
        if (image === 0 && head === 0) expect(value).toBeNaN();
        else if (image === 1 && i % width === 7) expect(value).toBe(Number.POSITIVE_INFINITY);
        else expect(Math.abs(value - want[i]!)).toBeLessThan(1e-5);
      });
    }
  });

  it('have a gradient that is the slope of the function', async () => {
    const params: Params = [1, 6, 2, 3];
    const { qkv, grad } = inputsOf(params);
    const values = Float64Array.from(qkv.data);
    const loss = (data: Float64Array) =>
      attentionOf({ data }, params).reduce((sum, v, i) => sum + v * grad.data[i]!, 0);
    const slope = values.map(
      (v, i) => (loss(values.with(i, v + 1e-5)) - loss(values.with(i, v - 1e-5))) / 2e-5,
    );
    for (const [got] of await devices.run('selfAttentionGrad', differentiate(2), [qkv, grad])) {
      expect(relativeError(got!, slope)).toBeLessThan(1e-5);
    }
  });
});
