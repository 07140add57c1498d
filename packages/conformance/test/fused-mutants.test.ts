import type { Values } from '@vq4dit/backend-reference';
import type { Backend, LinearEpilogue, PackedKernelWeight } from '@vq4dit/core';
import { describe, expect, it } from 'vitest';
import { CASES, type CaseOp, type OpCase, runConformance } from '../src/index.ts';
import { failed } from './support/catches.ts';
import { type Fused, type Input, mutant } from './support/mutant.ts';

/**
 * Faults in fused kernels. Each group first shows that the same kernel without a fault passes.
 */

type Make = (o: Backend<Values>) => { fused: Fused };

/** Runs cases on a fused kernel. */
async function failuresOf(make: Make, isMeant: (opCase: OpCase) => boolean) {
  return failed(await runConformance(mutant(make), { cases: CASES.filter(isMeant) }));
}

function passes(ops: readonly CaseOp[], make: Make) {
  it('passes without a fault', async () => {
    const isMeant = (c: OpCase) => ops.includes(c.op) && c.kind === 'value' && c.fused !== false;
    expect(await failuresOf(make, isMeant)).toEqual(new Map());
  });
}

/** Expects the cases `caught` to fail by their values. */
function catches(fault: string, caught: readonly string[], make: Make) {
  it(fault, async () => {
    const failures = await failuresOf(make, ({ id }) => caught.includes(id));
    expect([...failures.keys()].sort()).toEqual([...caught].sort());
    for (const message of failures.values()) {
      expect(message).toMatch(/differ: |normalised mean squared error/);
    }
  });
}

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** A new buffer of the reference backend, which counts it. */
const make = (o: Backend<Values>, values: ArrayLike<number>, shape: readonly number[]) =>
  o.upload(Float32Array.from(values), shape, 'float32');

type Activation = LinearEpilogue['activation'];

/** Parts of a linear layer that a fault may replace. */
interface LinearParts {
  activate(name: Activation, y: number): number;
  finish(y: number, bias: number, name: Activation, activate: LinearParts['activate']): number;
  imageOf(row: number, rows: number, images: number): number;
  residual(value: number): number;
  line(i: number, perGroup: number, k: number): number;
  code(codes: Values, i: number, width: number): number;
}

const bitAt = (codes: Values, at: number) => (codes[at >> 5]! >>> (at & 31)) & 1;

const LINEAR: LinearParts = {
  activate: (name, y) =>
    name === 'none'
      ? y
      : y * sigmoid(name === 'silu' ? y : 2 * Math.sqrt(2 / Math.PI) * (y + 0.044715 * y ** 3)),
  finish: (y, bias, name, activate) => activate(name, y + bias),
  imageOf: (row, rows, images) => Math.floor((row * images) / rows),
  residual: (value) => value,
  line: (i, perGroup, k) => Math.floor(i / perGroup) * k,
  code: (codes, i, width) =>
    range(width).reduce((sum, b) => sum + bitAt(codes, i * width + b) * 2 ** b, 0),
};

/** A linear layer with some of its parts replaced. */
function linearWith(faults: Partial<LinearParts>): Make {
  const parts = { ...LINEAR, ...faults };
  const element = (weight: Input | PackedKernelWeight<Values>, at: number): number => {
    if (!('codes' in weight)) return weight.handle[at]!;
    const { codes, codebook, rows, columns, groups, width } = weight;
    const [lines, d] = codebook.shape as [number, number];
    const i = Math.floor(at / d);
    const line = parts.line(i, (rows * columns) / d / groups, lines / groups);
    return codebook.handle[(line + parts.code(codes.handle, i, width)) * d + (at % d)]!;
  };
  return (o) => ({
    fused: {
      linear(x, weight, { bias, activation, gated }) {
        const [rows, width] = x.shape as [number, number];
        const out = 'codes' in weight ? weight.rows : weight.shape[0]!;
        const matrix = range(out * width).map((at) => element(weight, at));
        const values = range(rows * out).map((at) => {
          const [row, column] = [Math.floor(at / out), at % out];
          let sum = 0;
          for (let c = 0; c < width; c++) {
            sum += x.handle[row * width + c]! * matrix[column * width + c]!;
          }
          const y = parts.finish(sum, bias?.handle[column] ?? 0, activation, parts.activate);
          if (!gated) return y;
          const image = parts.imageOf(row, rows, gated.gate.shape[0]!);
          const gate = gated.gate.handle[image * out + column]!;
          return parts.residual(gated.residual.handle[at]!) + gate * y;
        });
        return make(o, values, [rows, out]);
      },
    },
  });
}

describe('linear', () => {
  passes(['linear'], linearWith({}));
  catches(
    'adds the bias after the activation',
    [
      'linear(rows=6,in=7,out=5,bias,activation=gelu)',
      'linear(rows=66,in=40,out=37,bias,activation=silu)',
    ],
    linearWith({ finish: (y, bias, name, activate) => activate(name, y) + bias }),
  );
  catches(
    'takes GELU for SiLU',
    ['linear(rows=6,in=7,out=5,bias,activation=gelu)'],
    linearWith({ activate: (name, y) => LINEAR.activate(name === 'none' ? name : 'silu', y) }),
  );
  catches(
    'takes the gate of row i for image i',
    ['linear(rows=6,in=7,out=5,images=2)', 'linear(rows=66,in=40,out=37,bias,images=2)'],
    linearWith({ imageOf: (row, _, images) => row % images }),
  );
  catches(
    'leaves out the residual',
    ['linear(known)', 'linear(rows=6,in=7,out=5,images=2)'],
    linearWith({ residual: () => 0 }),
  );
  catches(
    'has one codebook for all row groups',
    ['linear(packedKnown)', 'linear(packed,rows=50,in=1152,out=12,k=64,d=2,groups=3)'],
    linearWith({ line: () => 0 }),
  );
  catches(
    'reads codes from the highest bit',
    ['linear(packedKnown)', 'linear(packed,exact,rows=9,in=24,out=11,k=100,d=8)'],
    linearWith({
      code: (codes, i, width) =>
        range(width).reduce((sum, b) => 2 * sum + bitAt(codes, i * width + b), 0),
    }),
  );
  catches(
    'loses the bits of codes that reach into the next word',
    ['linear(packed,exact,rows=9,in=24,out=11,k=64,d=2)'],
    linearWith({
      code(codes, i, width) {
        const first = (i * width) >> 5;
        const inside = range(width).filter((b) => (i * width + b) >> 5 === first);
        return inside.reduce((sum, b) => sum + bitAt(codes, i * width + b) * 2 ** b, 0);
      },
    }),
  );
});

/** Parts of attention that a fault may replace. */
interface AttentionParts {
  scale(d: number): number;
  /** Where the column c of head h lies. */
  column(h: number, c: number, heads: number, d: number): number;
  softmax(scores: number[]): number[];
  inner(p: number[], dp: number[]): number;
  scaleOfKeys(d: number): number;
}

const ATTENTION: AttentionParts = {
  scale: (d) => 1 / Math.sqrt(d),
  column: (h, c, _, d) => h * d + c,
  softmax(scores) {
    const most = Math.max(...scores);
    const powers = scores.map((s) => Math.exp(s - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((p) => p / sum);
  },
  inner: (p, dp) => p.reduce((sum, value, j) => sum + value * dp[j]!, 0),
  scaleOfKeys: (d) => 1 / Math.sqrt(d),
};

function attentionWith(faults: Partial<AttentionParts>): Make {
  const parts = { ...ATTENTION, ...faults };
  /** Calls `visit` for each head with its parts as functions, and one row of probabilities each. */
  const visit = (
    qkv: Input,
    heads: number,
    row: (
      at: (part: number, t: number, c: number) => number,
      out: (t: number, c: number) => number,
      i: number,
      p: number[],
      d: number,
    ) => void,
  ) => {
    const [n, t, triple] = qkv.shape as [number, number, number];
    const width = triple / 3;
    const d = width / heads;
    for (let image = 0; image < n; image++) {
      for (let h = 0; h < heads; h++) {
        const at = (part: number, token: number, c: number) =>
          ((image * t + token) * 3 + part) * width + parts.column(h, c, heads, d);
        const out = (token: number, c: number) =>
          (image * t + token) * width + parts.column(h, c, heads, d);
        for (let i = 0; i < t; i++) {
          const scores = range(t).map((j) =>
            range(d).reduce(
              (sum, c) => sum + qkv.handle[at(0, i, c)]! * qkv.handle[at(1, j, c)]!,
              0,
            ),
          );
          row(at, out, i, parts.softmax(scores.map((s) => s * parts.scale(d))), d);
        }
      }
    }
  };
  return (o) => ({
    fused: {
      selfAttention(qkv, heads) {
        const [n, t, triple] = qkv.shape as [number, number, number];
        const values = new Float64Array((n * t * triple) / 3);
        visit(qkv, heads, (at, out, i, p, d) => {
          for (let c = 0; c < d; c++) {
            values[out(i, c)] = p.reduce((sum, v, j) => sum + v * qkv.handle[at(2, j, c)]!, 0);
          }
        });
        return make(o, values, [n, t, triple / 3]);
      },
      selfAttentionGrad(qkv, grad, heads) {
        const values = new Float64Array(qkv.handle.length);
        visit(qkv, heads, (at, out, i, p, d) => {
          const dp = p.map((_, j) =>
            range(d).reduce(
              (sum, c) => sum + grad.handle[out(i, c)]! * qkv.handle[at(2, j, c)]!,
              0,
            ),
          );
          const inner = parts.inner(p, dp);
          p.forEach((probability, j) => {
            const ds = probability * (dp[j]! - inner);
            for (let c = 0; c < d; c++) {
              values[at(0, i, c)]! += ds * parts.scale(d) * qkv.handle[at(1, j, c)]!;
              values[at(1, j, c)]! += ds * parts.scaleOfKeys(d) * qkv.handle[at(0, i, c)]!;
              values[at(2, j, c)]! += probability * grad.handle[out(i, c)]!;
            }
          });
        });
        return make(o, values, qkv.shape);
      },
    },
  });
}

describe('attention', () => {
  const both = ['selfAttention', 'selfAttentionGrad'] as const;
  passes(both, attentionWith({}));
  catches(
    'divides scores by d',
    ['selfAttention(n=2,t=3,heads=2,d=5)', 'selfAttentionGrad(n=2,t=3,heads=2,d=5)'],
    attentionWith({ scale: (d) => 1 / d }),
  );
  catches(
    'takes columns of heads in turns',
    ['selfAttention(n=2,t=3,heads=2,d=5)', 'selfAttentionGrad(n=1,t=8,heads=2,d=8)'],
    attentionWith({ column: (h, c, heads) => c * heads + h }),
  );
  catches(
    'does not subtract the maximum',
    ['selfAttention(large)', 'selfAttentionGrad(large)'],
    attentionWith({
      softmax(scores) {
        const powers = scores.map((s) => Math.fround(Math.exp(s)));
        const sum = Math.fround(powers.reduce((a, b) => a + b, 0));
        return powers.map((p) => p / sum);
      },
    }),
  );
  catches(
    'leaves out the last key of a block of 128',
    ['selfAttention(n=2,t=129,heads=1,d=3)', 'selfAttentionGrad(n=1,t=260,heads=1,d=2)'],
    attentionWith({
      softmax: (scores) =>
        ATTENTION.softmax(scores.map((s, j) => (j % 128 === 127 ? Number.NEGATIVE_INFINITY : s))),
    }),
  );
  catches(
    'does not scale the first block when the maximum rises in the second',
    ['selfAttention(rising)', 'selfAttention(n=1,t=260,heads=1,d=2)'],
    attentionWith({
      softmax(scores) {
        const first = Math.max(...scores.slice(0, 128));
        const most = Math.max(...scores);
        const powers = scores.map((s, j) => Math.exp(s - (j < 128 ? first : most)));
        const sum = powers.reduce((a, b) => a + b, 0);
        return powers.map((p) => p / sum);
      },
    }),
  );
  catches(
    'has scores of half precision',
    ['selfAttention(n=1,t=49,heads=3,d=64)', 'selfAttention(n=1,t=16,heads=2,d=72)'],
    attentionWith({
      softmax: (scores) => ATTENTION.softmax(scores.map((s) => Math.round(s * 1024) / 1024)),
    }),
  );
  catches(
    'forgets in the gradient that probabilities add up to 1',
    ['selfAttentionGrad(known)', 'selfAttentionGrad(n=2,t=3,heads=2,d=5)'],
    attentionWith({ inner: () => 0 }),
  );
  catches(
    'does not scale the gradient of the keys',
    ['selfAttentionGrad(n=2,t=3,heads=2,d=5)', 'selfAttentionGrad(n=1,t=49,heads=3,d=64)'],
    attentionWith({ scaleOfKeys: () => 1 }),
  );
});

/** Parts of the modulated layer norm that a fault may replace. */
interface NormParts {
  factor(scale: number): number;
  image(row: number, tokens: number): number;
  projection(meanHy: number): number;
  /** Rows whose gradients reach shift and scale. */
  counts(token: number, tokens: number): boolean;
}

const NORM: NormParts = {
  factor: (scale) => 1 + scale,
  image: (row, tokens) => Math.floor(row / tokens),
  projection: (meanHy) => meanHy,
  counts: () => true,
};

function normWith(faults: Partial<NormParts>): Make {
  const parts = { ...NORM, ...faults };
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const normalize = (x: Input, row: number, epsilon: number) => {
    const n = x.shape[2]!;
    const values = Array.from(x.handle.subarray(row * n, (row + 1) * n));
    const centre = mean(values);
    const inverse = 1 / Math.sqrt(mean(values.map((v) => (v - centre) ** 2)) + epsilon);
    return { y: values.map((v) => (v - centre) * inverse), inverse };
  };
  return (o) => ({
    fused: {
      modulatedLayerNorm(x, shift, scale, epsilon) {
        const [images, tokens, n] = x.shape as [number, number, number];
        const values = range(images * tokens).flatMap((row) => {
          const first = parts.image(row, tokens) * n;
          return normalize(x, row, epsilon).y.map(
            (y, i) => y * parts.factor(scale.handle[first + i]!) + shift.handle[first + i]!,
          );
        });
        return make(o, values, x.shape);
      },
      modulatedLayerNormGrad(x, scale, grad, epsilon) {
        const [images, tokens, n] = x.shape as [number, number, number];
        const [shifts, scales] = [new Float64Array(images * n), new Float64Array(images * n)];
        const values = range(images * tokens).flatMap((row) => {
          const first = parts.image(row, tokens) * n;
          const { y, inverse } = normalize(x, row, epsilon);
          const g = Array.from(grad.handle.subarray(row * n, (row + 1) * n));
          const h = g.map((v, i) => v * parts.factor(scale.handle[first + i]!));
          const meanHy = parts.projection(mean(h.map((v, i) => v * y[i]!)));
          for (let i = 0; i < n && parts.counts(row % tokens, tokens); i++) {
            shifts[first + i]! += g[i]!;
            scales[first + i]! += g[i]! * y[i]!;
          }
          return h.map((v, i) => (v - mean(h) - y[i]! * meanHy) * inverse);
        });
        const { shape } = scale;
        return {
          x: make(o, values, x.shape),
          shift: make(o, shifts, shape),
          scale: make(o, scales, shape),
        };
      },
    },
  });
}

describe('modulated layer norm', () => {
  const both = ['modulatedLayerNorm', 'modulatedLayerNormGrad'] as const;
  passes(both, normWith({}));
  catches(
    'multiplies by scale, not by 1 + scale',
    ['modulatedLayerNorm(known)', 'modulatedLayerNormGrad(known)'],
    normWith({ factor: (scale) => scale }),
  );
  catches(
    'modulates token i as image i',
    ['modulatedLayerNorm(shape=2x3x5)', 'modulatedLayerNormGrad(shape=3x2x17)'],
    normWith({ image: (row, tokens) => (tokens > 1 ? row % 2 : row) }),
  );
  catches(
    'has a gradient without the part of the variance',
    ['modulatedLayerNormGrad(known)', 'modulatedLayerNormGrad(shape=2x3x5)'],
    normWith({ projection: () => 0 }),
  );
  catches(
    'loses the gradients of the last block of tokens',
    ['modulatedLayerNormGrad(shape=2x65x3)', 'modulatedLayerNormGrad(shape=2x200x4)'],
    normWith({ counts: (token, tokens) => tokens <= 64 || token < 64 * Math.floor(tokens / 64) }),
  );
});

describe('gradients of activations', () => {
  catches('SiLU: the slope of its gate alone', ['siluGrad(sweep)', 'siluGrad(shape=7)'], (o) => ({
    fused: {
      siluGrad: (x, grad) =>
        make(
          o,
          grad.handle.map((g, i) => g * sigmoid(x.handle[i]!)),
          x.shape,
        ),
    },
  }));
  catches('GELU: of the form with the error function', ['geluGrad(sweep)'], (o) => ({
    fused: {
      geluGrad(x, grad) {
        const slope = (v: number) => {
          // Phi(v) + v phi(v), Phi summed by Simpson's rule from 0.
          const density = (t: number) => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
          const step = v / 200;
          const sum = range(201).reduce(
            (s, i) => s + density(i * step) * (i === 0 || i === 200 ? 1 : i % 2 === 0 ? 2 : 4),
            0,
          );
          return 0.5 + (sum * step) / 3 + v * density(v);
        };
        return make(
          o,
          Array.from(grad.handle, (g, i) => g * slope(x.handle[i]!)),
          x.shape,
        );
      },
    },
  }));
});

describe('adamwStep', () => {
  interface Parts {
    corrects: boolean;
    decoupled: boolean;
    insideRoot: boolean;
  }
  const step =
    ({ corrects, decoupled, insideRoot }: Parts): Make =>
    (o) => ({
      fused: {
        adamwStep(value, grad, mean, square, c) {
          const decay = c.learningRate * c.weightDecay;
          const g = Array.from(
            grad.handle,
            (v, i) => v + (decoupled ? 0 : c.weightDecay * value.handle[i]!),
          );
          const means = g.map((v, i) => c.beta1 * mean.handle[i]! + (1 - c.beta1) * v);
          const squares = g.map((v, i) => c.beta2 * square.handle[i]! + (1 - c.beta2) * v * v);
          const [b1, b2] = corrects ? [1 - c.beta1 ** c.step, 1 - c.beta2 ** c.step] : [1, 1];
          const values = means.map((m, i) => {
            const divisor = insideRoot
              ? Math.sqrt(squares[i]! / b2 + c.epsilon)
              : Math.sqrt(squares[i]! / b2) + c.epsilon;
            const kept = value.handle[i]! * (decoupled ? 1 - decay : 1);
            return kept - (c.learningRate * m) / b1 / divisor;
          });
          const { shape } = value;
          return {
            value: make(o, values, shape),
            mean: make(o, means, shape),
            square: make(o, squares, shape),
          };
        },
      },
    });
  const right: Parts = { corrects: true, decoupled: true, insideRoot: false };
  passes(['adamwStep'], step(right));
  const known = ['adamwStep(known)', 'adamwStep(shape=7)'];
  catches('adds the decay to the gradient', known, step({ ...right, decoupled: false }));
  catches('corrects no bias', known, step({ ...right, corrects: false }));
  catches(
    'has epsilon inside the root',
    ['adamwStep(known)', 'adamwStep(firstStep)'],
    step({ ...right, insideRoot: true }),
  );
});

describe('lloydStep', () => {
  interface Parts {
    /** Whether a codeword at distance b wins over one at distance a. */
    wins(b: number, a: number): boolean;
    adds: boolean;
    count(n: number): number;
  }
  const step =
    ({ wins, adds, count }: Parts): Make =>
    (o) => ({
      fused: {
        lloydStep(x, codebook) {
          const [rows, d] = x.shape as [number, number];
          const k = codebook.shape[0]!;
          const [sums, counts] = [new Float64Array(k * d), new Float64Array(k)];
          const indices = range(rows).map((row) => {
            let [best, least] = [0, Number.POSITIVE_INFINITY];
            for (let line = 0; line < k; line++) {
              const distance = range(d).reduce(
                (sum, j) => sum + (x.handle[row * d + j]! - codebook.handle[line * d + j]!) ** 2,
                0,
              );
              if (wins(distance, least)) [best, least] = [line, distance];
            }
            counts[best]!++;
            for (let j = 0; j < d; j++) {
              sums[best * d + j] = (adds ? sums[best * d + j]! : 0) + x.handle[row * d + j]!;
            }
            return best;
          });
          return {
            indices: o.upload(Int32Array.from(indices), [rows], 'int32'),
            sums: make(o, sums, [k, d]),
            counts: make(o, counts.map(count), [k]),
          };
        },
      },
    });
  const right: Parts = { wins: (b, a) => b < a, adds: true, count: (n) => n };
  passes(['lloydStep'], step(right));
  catches(
    'takes the last of equally near codewords',
    ['lloydStep(known)', 'lloydStep(duplicates)', 'lloydStep(exact,rows=300,k=256,d=4)'],
    step({ ...right, wins: (b, a) => b <= a }),
  );
  catches(
    'keeps the last sub-vector instead of the sum',
    ['lloydStep(known)', 'lloydStep(rows=50,k=16,d=2)'],
    step({ ...right, adds: false }),
  );
  catches(
    'counts unused codewords as used once',
    ['lloydStep(known)', 'lloydStep(rows=300,k=256,d=4)'],
    step({ ...right, count: (n) => Math.max(1, n) }),
  );
});
