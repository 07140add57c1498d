import { type RandomStream, selfAttention, selfAttentionGradOp } from '@vq4dit/core';
import fc from 'fast-check';
import { finite, floatTensor } from '../arbitraries.ts';
import { type DataClass, equal, scaled, sumFactor } from '../comparators.ts';
import { bothWays, type Draft } from '../composed-case.ts';
import { floats, gaussian, type HostTensor } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';

/** Sizes of an attention. */
export interface Params {
  readonly n: number;
  readonly t: number;
  readonly heads: number;
  /** Width of a head. */
  readonly d: number;
}

export const qkvShape = ({ n, t, heads, d }: Params) => [n, t, 3 * heads * d];
export const outShape = ({ n, t, heads, d }: Params) => [n, t, heads * d];

/** Queries, keys and values of one head, and the gradient of its output, as functions of (t, column). */
export function headOf(p: Params, image: number, head: number) {
  const width = p.heads * p.d;
  const qkv = (part: number) => (t: number, c: number) =>
    ((image * p.t + t) * 3 + part) * width + head * p.d + c;
  const out = (t: number, c: number) => (image * p.t + t) * width + head * p.d + c;
  return { q: qkv(0), k: qkv(1), v: qkv(2), out };
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i);
const total = (count: number, term: (i: number) => number) =>
  range(count).reduce((sum, i) => sum + term(i), 0);

/**
 * A row of probabilities, and by how many u each may be off, relative to itself: e^(s - max) by what
 * s and s - max are off and a few u more, and the sum of T of them by the same on average and by
 * T + 4.
 */
export function probabilityRow(
  x: HostTensor['data'],
  p: Params,
  head: Head,
  i: number,
  data: DataClass,
) {
  const scale = 1 / Math.sqrt(p.d);
  const scores = range(p.t).map(
    (j) => scale * total(p.d, (c) => x[head.q(i, c)]! * x[head.k(j, c)]!),
  );
  const sizes = range(p.t).map(
    (j) => scale * total(p.d, (c) => Math.abs(x[head.q(i, c)]! * x[head.k(j, c)]!)),
  );
  const most = Math.max(...scores);
  const powers = scores.map((s) => Math.exp(s - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  const values = powers.map((e) => e / sum);
  const factor = sumFactor(data, p.d) + 2;
  const ofPowers = scores.map((s, j) => factor * sizes[j]! + most - s + 8);
  const ofSum = total(p.t, (j) => values[j]! * ofPowers[j]!) + p.t + 4;
  return { values, relative: ofPowers.map((e) => e + ofSum) };
}

type Head = ReturnType<typeof headOf>;

/** A probability below the smallest normal number, 2^-126, may be lost; in units of u = 2^-24. */
const LOST = 2 ** -102;

function* heads(p: Params): Generator<Head> {
  for (let image = 0; image < p.n; image++) {
    for (let head = 0; head < p.heads; head++) yield headOf(p, image, head);
  }
}

const describe = (name: string, p: Params, tensors: readonly HostTensor[]) =>
  `${caseId(name, { ...p })} of ${tensors.map(({ data }) => `[${[...data].join(', ')}]`).join(', ')}`;

/** A single value can cancel to almost nothing; over many the mean error is steady. */
const steady = (data: DataClass, values: ArrayLike<number>) =>
  ({ product: true, nmse: data === 'gaussian' && values.length >= 64 }) as const;

/** softmax(q k^T / sqrt(d)) v by its definition. */
function valueTrial(qkv: HostTensor, p: Params, data: DataClass): Trial {
  return {
    description: describe('selfAttention', p, [qkv]),
    inputs: [qkv],
    run: (ops, [x]) => [selfAttention(ops, x!, p.heads)],
    expected() {
      const x = qkv.data;
      const values = new Float64Array(p.n * p.t * p.heads * p.d);
      const magnitude = new Float64Array(values.length);
      for (const head of heads(p)) {
        for (let i = 0; i < p.t; i++) {
          const row = probabilityRow(x, p, head, i, data);
          for (let c = 0; c < p.d; c++) {
            for (let j = 0; j < p.t; j++) {
              const term = row.values[j]! * x[head.v(j, c)]!;
              values[head.out(i, c)]! += term;
              magnitude[head.out(i, c)]! += Math.abs(term) * (row.relative[j]! + p.t + 4);
            }
          }
        }
      }
      const compare = scaled(magnitude, 1, steady(data, values));
      return [{ shape: outShape(p), dtype: 'float32', values, compare }];
    },
  };
}

/**
 * With P the probabilities and G the gradient of the output: dv = P^T G, dP = G v^T,
 * dS = P (dP - rowsum(P dP)), dq = dS k / sqrt(d), dk = dS^T q / sqrt(d). Magnitudes follow the same
 * way: what a factor is off times the size of the other, and each sum of K products by its own
 * factor.
 */
function selfAttentionGradTrial(
  qkv: HostTensor,
  grad: HostTensor,
  p: Params,
  data: DataClass,
): Trial {
  return {
    description: describe('selfAttentionGrad', p, [qkv, grad]),
    inputs: [qkv, grad],
    run: (ops, inputs) => ops.composed(selfAttentionGradOp, inputs, { heads: p.heads }),
    expected() {
      const sums = {
        values: new Float64Array(qkv.data.length),
        magnitude: new Float64Array(qkv.data.length),
      };
      for (const head of heads(p)) addHeadGrad(sums, qkv, grad, p, head, data);
      const compare = scaled(sums.magnitude, 1, steady(data, sums.values));
      return [{ shape: qkvShape(p), dtype: 'float32', values: sums.values, compare }];
    },
  };
}

/** Adds what one head has to say about the gradient of qkv. */
export function addHeadGrad(
  sums: { readonly values: Float64Array; readonly magnitude: Float64Array },
  qkv: HostTensor,
  grad: HostTensor,
  p: Params,
  head: Head,
  data: DataClass,
): void {
  const [x, g] = [qkv.data, grad.data];
  const add = (at: number, factor: number, off: number, other: number) => {
    sums.values[at]! += factor * other;
    sums.magnitude[at]! += (off + (p.t + 6) * Math.abs(factor)) * Math.abs(other);
  };
  const scale = 1 / Math.sqrt(p.d);
  const columns = sumFactor(data, p.d);
  for (let i = 0; i < p.t; i++) {
    const row = probabilityRow(x, p, head, i, data);
    const slopes = range(p.t).map((j) => total(p.d, (c) => g[head.out(i, c)]! * x[head.v(j, c)]!));
    const ofSlopes = range(p.t).map(
      (j) => columns * total(p.d, (c) => Math.abs(g[head.out(i, c)]! * x[head.v(j, c)]!)),
    );
    const inner = total(p.t, (j) => row.values[j]! * slopes[j]!);
    const ofInner = total(
      p.t,
      (j) => row.values[j]! * (Math.abs(slopes[j]!) * (row.relative[j]! + p.t + 4) + ofSlopes[j]!),
    );
    for (let j = 0; j < p.t; j++) {
      const [probability, relative] = [row.values[j]!, row.relative[j]!];
      const ds = probability * (slopes[j]! - inner);
      const terms = Math.abs(slopes[j]!) + Math.abs(inner);
      const ofProbability = probability * relative + LOST;
      const ofDs =
        ofProbability * Math.abs(slopes[j]! - inner) +
        probability * (terms * 4 + ofSlopes[j]! + ofInner);
      for (let c = 0; c < p.d; c++) {
        add(head.q(i, c), scale * ds, scale * ofDs, x[head.k(j, c)]!);
        add(head.k(j, c), scale * ds, scale * ofDs, x[head.q(i, c)]!);
        add(head.v(j, c), probability, ofProbability, g[head.out(i, c)]!);
      }
    }
  }
}

/** Around vectors, groups of rows and blocks of keys; 64 and 72 are the heads of real models. */
const PARAMS: readonly Params[] = [
  { n: 1, t: 1, heads: 1, d: 1 },
  { n: 2, t: 3, heads: 2, d: 5 },
  { n: 2, t: 1, heads: 3, d: 4 },
  { n: 1, t: 2, heads: 1, d: 7 },
  { n: 1, t: 8, heads: 2, d: 8 },
  { n: 3, t: 17, heads: 2, d: 9 },
  { n: 1, t: 33, heads: 1, d: 16 },
  { n: 1, t: 49, heads: 3, d: 64 },
  { n: 1, t: 16, heads: 2, d: 72 },
  { n: 2, t: 129, heads: 1, d: 3 },
  { n: 1, t: 260, heads: 1, d: 2 },
  { n: 1, t: 5, heads: 1, d: 130 },
];

const draw = (rng: RandomStream, p: Params) => ({
  qkv: gaussian(rng, qkvShape(p)),
  grad: gaussian(rng, outShape(p)),
});

/** Scores up to about a thousand: e^s overflows unless the maximum is subtracted first. */
function large(rng: RandomStream, p: Params): HostTensor {
  const width = p.heads * p.d;
  return floats(qkvShape(p), (at) => (at % (3 * width) < 2 * width ? 20 : 1) * rng.normal());
}

/** Keys that grow, so that the largest score of most rows comes late: after the first blocks of keys. */
function rising(rng: RandomStream, p: Params): HostTensor {
  const width = p.heads * p.d;
  return floats(qkvShape(p), (at) => {
    const isKey = Math.floor((at % (3 * width)) / width) === 1;
    const token = Math.floor(at / (3 * width)) % p.t;
    return rng.normal() * (isKey ? 0.25 + (3 * token) / p.t : 1);
  });
}

const RISING: Params = { n: 1, t: 270, heads: 1, d: 3 };

const LARGE: Params = { n: 1, t: 40, heads: 2, d: 6 };

const property = (make: (qkv: HostTensor, grad: HostTensor, p: Params) => Trial) =>
  fc
    .record({
      n: fc.integer({ min: 1, max: 2 }),
      t: fc.integer({ min: 1, max: 7 }),
      heads: fc.integer({ min: 1, max: 3 }),
      d: fc.integer({ min: 1, max: 5 }),
    })
    .chain((p) =>
      fc
        .tuple(floatTensor(qkvShape(p), finite(-3, 3)), floatTensor(outShape(p), finite(-3, 3)))
        .map(([qkv, grad]) => make(qkv, grad, p)),
    );

const valueDrafts: Draft[] = [
  {
    op: 'selfAttention',
    id: 'selfAttention(known)',
    // Queries of zero attend to all keys alike: means of the values, head by head.
    trial: () => ({
      inputs: [floats([1, 2, 6], [0, 0, 1, 2, 8, 40, 0, 0, -1, 5, 4, 20])],
      run: (ops, [x]) => [selfAttention(ops, x!, 2)],
      expected: () => [
        {
          shape: [1, 2, 2],
          dtype: 'float32',
          values: Float64Array.of(6, 30, 6, 30),
          compare: equal,
        },
      ],
    }),
  },
  ...PARAMS.map(
    (p): Draft => ({
      op: 'selfAttention',
      id: caseId('selfAttention', { ...p }),
      trial: (rng) => valueTrial(draw(rng, p).qkv, p, 'gaussian'),
    }),
  ),
  {
    op: 'selfAttention',
    id: 'selfAttention(large)',
    trial: (rng) => valueTrial(large(rng, LARGE), LARGE, 'arbitrary'),
  },
  {
    op: 'selfAttention',
    id: 'selfAttention(rising)',
    trial: (rng) => valueTrial(rising(rng, RISING), RISING, 'gaussian'),
  },
  {
    op: 'selfAttention',
    id: 'selfAttention(property)',
    trials: property((qkv, _, p) => valueTrial(qkv, p, 'arbitrary')),
  },
];

const gradDrafts: Draft[] = [
  {
    op: 'selfAttentionGrad',
    id: 'selfAttentionGrad(known)',
    // Probabilities are 1/2, keys 3 and -1, values 8 and 4, gradients 1 and 2. Then dP - rowsum(P dP)
    // is (2, -2) and (4, -4), dS half of that, and dq = dS k = 4 and 8. With queries of zero dk = 0.
    trial: () => ({
      inputs: [floats([1, 2, 3], [0, 3, 8, 0, -1, 4]), floats([1, 2, 1], [1, 2])],
      run: (ops, inputs) => ops.composed(selfAttentionGradOp, inputs, { heads: 1 }),
      expected: () => [
        {
          shape: [1, 2, 3],
          dtype: 'float32',
          values: Float64Array.of(4, 0, 1.5, 8, 0, 1.5),
          compare: equal,
        },
      ],
    }),
  },
  ...PARAMS.map(
    (p): Draft => ({
      op: 'selfAttentionGrad',
      id: caseId('selfAttentionGrad', { ...p }),
      trial(rng) {
        const { qkv, grad } = draw(rng, p);
        return selfAttentionGradTrial(qkv, grad, p, 'gaussian');
      },
    }),
  ),
  {
    op: 'selfAttentionGrad',
    id: 'selfAttentionGrad(large)',
    trial: (rng) =>
      selfAttentionGradTrial(large(rng, LARGE), gaussian(rng, outShape(LARGE)), LARGE, 'arbitrary'),
  },
  {
    op: 'selfAttentionGrad',
    id: 'selfAttentionGrad(rising)',
    trial: (rng) =>
      selfAttentionGradTrial(
        rising(rng, RISING),
        gaussian(rng, outShape(RISING)),
        RISING,
        'gaussian',
      ),
  },
  {
    op: 'selfAttentionGrad',
    id: 'selfAttentionGrad(property)',
    trials: property((qkv, grad, p) => selfAttentionGradTrial(qkv, grad, p, 'arbitrary')),
  },
];

export const selfAttentionCases: readonly OpCase[] = [...valueDrafts, ...gradDrafts].flatMap(
  bothWays,
);
