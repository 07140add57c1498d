import type { Values } from '@vq4dit/backend-reference';
import { type Backend, UnsupportedOpError } from '@vq4dit/core';
import { describe, expect, it } from 'vitest';
import { CASES, FLOOR, runConformance } from '../src/index.ts';
import { catches, failed, runOps } from './support/catches.ts';
import {
  asTf32,
  type Input,
  type Mutation,
  mutant,
  to11Bits,
  withValues,
} from './support/mutant.ts';

/**
 * The kit is judged by faults put into a backend that is right: each must be found by a case that
 * says what is wrong by its name.
 */

const drop = (x: Input, axis: 1 | 2, at: number): Input => {
  const [a, n, b] = x.shape as [number, number, number];
  const handle = x.handle.slice();
  handle.forEach((_, i) => {
    const position = axis === 2 ? i % b : Math.floor(i / b) % n;
    if (position === at) handle[i] = 0;
  });
  return { ...x, shape: [a, n, b], handle };
};

describe('wrong values', () => {
  catches('argmin gives the last of equal minima', ['argmin'], ['argmin(ties)'], () => ({
    kernels: {
      argmin(x) {
        const [rows, n] = x.shape as [number, number];
        return Int32Array.from({ length: rows }, (_, row) => {
          let best = 0;
          for (let i = 0; i < n; i++) {
            if (x.handle[row * n + i]! <= x.handle[row * n + best]!) best = i;
          }
          return best;
        });
      },
    },
  }));

  catches('argmin lets NaN win', ['argmin'], ['argmin(NaN)', 'argmin(allNaN)'], ({ kernels }) => ({
    kernels: {
      argmin: (x) =>
        kernels
          .argmin(
            withValues(
              x,
              x.handle.map((v) => (Number.isNaN(v) ? -1e9 : v)),
            ),
          )
          .map((v) => v + (Number.isNaN(x.handle[0]!) ? 1 : 0)),
    },
  }));

  catches(
    'nearest gives the last of equally near codewords',
    ['nearest'],
    ['nearest(ties,n=1)', 'nearest(duplicates,n=3)', 'nearest(exact,rows=33,k=256,d=2,n=2)'],
    ({ kernels }) => ({
      kernels: {
        nearest(x, codebook, n) {
          const [k, d] = codebook.shape as [number, number];
          const reversed = codebook.handle.slice();
          for (let i = 0; i < k; i++) {
            reversed.set(codebook.handle.subarray(i * d, (i + 1) * d), (k - 1 - i) * d);
          }
          const found = kernels.nearest(x, withValues(codebook, reversed), n);
          return { ...found, indices: found.indices.map((i) => k - 1 - i) };
        },
      },
    }),
  );

  catches(
    'nearest gives the farthest of its n first',
    ['nearest'],
    ['nearest(known)', 'nearest(ties,n=4)', 'nearest(rows=40,k=256,d=4,n=2)'],
    ({ kernels }) => ({
      kernels: {
        nearest(x, codebook, n) {
          const { indices, distances } = kernels.nearest(x, codebook, n);
          const turn = (v: Values) =>
            v.map((_, i) => v[Math.floor(i / n) * n + (n - 1 - (i % n))]!);
          return { indices: turn(indices), distances: turn(distances) };
        },
      },
    }),
  );

  catches(
    'nearest looks at TF32 products',
    ['nearest'],
    ['nearest(rows=40,k=256,d=4,n=2)'],
    ({ kernels }) => ({
      kernels: { nearest: (x, c, n) => kernels.nearest(asTf32(x), asTf32(c), n) },
    }),
  );

  catches(
    'matmul leaves out the last product of each sum',
    ['matmul'],
    ['matmul(known)', 'matmul(m=4,k=129,n=6,tb)', 'matmul(m=4,k=1,n=6,tb)'],
    ({ kernels }) => ({
      kernels: {
        matmul: (a, b, ta, tb) =>
          kernels.matmul(drop(a, ta ? 1 : 2, a.shape[ta ? 1 : 2]! - 1), b, ta, tb),
      },
    }),
  );

  catches('sum leaves out the last term', ['reduce'], ['sum(known)', 'sum(exact)'], (o) => ({
    kernels: {
      reduce: (op, x) => o.kernels.reduce(op, op === 'sum' ? drop(x, 1, x.shape[1]! - 1) : x),
    },
  }));

  catches('max starts from zero', ['reduce'], ['max(known)', 'max(infinite)'], ({ kernels }) => ({
    kernels: {
      reduce: (op, x) => {
        const out = kernels.reduce(op, x);
        return op === 'max' ? out.map((v) => Math.max(v, 0)) : out;
      },
    },
  }));

  catches(
    'matmul takes a transposed operand as it lies',
    ['matmul'],
    ['matmul(b=2,m=5,k=7,n=3,tb)', 'matmul(b=2,m=5,k=7,n=3,ta,tb)'],
    ({ kernels }) => ({
      kernels: {
        matmul(a, b, ta, tb) {
          const [batch, n, k] = b.shape as [number, number, number];
          return kernels.matmul(a, tb ? { ...b, shape: [batch, k, n] } : b, ta, false);
        },
      },
    }),
  );

  catches(
    'matmul uses the first batch for all',
    ['matmul'],
    ['matmul(b=2,m=5,k=7,n=3)'],
    ({ kernels }) => ({
      kernels: {
        matmul: (a, b, ta, tb) => {
          const size = b.handle.length / b.shape[0]!;
          return kernels.matmul(
            a,
            withValues(
              b,
              b.handle.map((_, i) => b.handle[i % size]!),
            ),
            ta,
            tb,
          );
        },
      },
    }),
  );

  catches(
    'scatterAddRows overwrites',
    ['scatterAddRows', 'softReconstructGrad'],
    ['scatterAddRows(known)', 'scatterAddRows(repeated)', 'softReconstructGrad(known,composed)'],
    () => ({
      kernels: {
        scatterAddRows(updates, indices, rows) {
          const d = updates.shape[1]!;
          const out = new Float32Array(rows * d);
          indices.handle.forEach((row, i) => {
            out.set(updates.handle.subarray(i * d, (i + 1) * d), row * d);
          });
          return out;
        },
      },
    }),
  );

  catches(
    'a vector is broadcast along columns of a square matrix',
    ['binary'],
    ['add(a=4x4,b=4)', 'mul(a=4x4,b=4)', 'greater(a=4x4,b=4)'],
    ({ kernels }) => ({
      kernels: {
        binary(op, a, b, shape) {
          const isSquare = a.shape.length === 2 && a.shape[0] === a.shape[1];
          const isVector = b.shape.length === 1 && b.shape[0] === a.shape[0];
          return kernels.binary(op, a, isSquare && isVector ? { ...b, shape: [4, 1] } : b, shape);
        },
      },
    }),
  );

  catches('maximum drops NaN', ['binary'], ['maximum(NaN)', 'minimum(NaN)'], ({ kernels }) => ({
    kernels: {
      binary(op, a, b, shape) {
        const out = kernels.binary(op, a, b, shape);
        return op === 'maximum' || op === 'minimum' ? out.map((v) => v || 0) : out;
      },
    },
  }));

  catches(
    'rows are found with half-precision arithmetic',
    ['gatherRows', 'scatterAddRows'],
    ['gatherRows(manyRows)', 'scatterAddRows(manyRows)'],
    ({ kernels }) => {
      const half = (i: Input) =>
        withValues(
          i,
          i.handle.map((v) => Math.min(4999, to11Bits(v))),
        );
      return {
        kernels: {
          gatherRows: (x, i) => kernels.gatherRows(x, half(i)),
          scatterAddRows: (u, i, rows) => kernels.scatterAddRows(u, half(i), rows),
        },
      };
    },
  );

  catches(
    'int32 passes through float32',
    ['upload', 'gatherRows', 'permute', 'slice', 'concat'],
    ['upload(int32Extremes)', 'gatherRows(int32)', 'permute(shape=3x5,axes=10,int32)'],
    ({ upload }) => ({
      upload: (data, shape, dtype) =>
        upload(data instanceof Int32Array ? data.map(Math.fround) : data, shape, dtype),
    }),
  );
});

describe('lost precision', () => {
  catches(
    'matmul accumulates in half precision',
    ['matmul'],
    ['matmul(precision,k=16)', 'matmul(nonNegative,k=1152)', 'matmul(m=63,k=63,n=63,tb)'],
    ({ kernels }) => ({
      kernels: {
        matmul(a, b, ta, tb) {
          const out = kernels.matmul(a, b, ta, tb);
          const [m, k] = ta ? [a.shape[2]!, a.shape[1]!] : [a.shape[1]!, a.shape[2]!];
          const n = tb ? b.shape[1]! : b.shape[2]!;
          return out.map((_, at) => {
            const batch = Math.floor(at / (m * n));
            const [row, col] = [Math.floor(at / n) % m, at % n];
            let sum = 0;
            for (let j = 0; j < k; j++) {
              const left = a.handle[batch * m * k + (ta ? j * m + row : row * k + j)]!;
              const right = b.handle[batch * n * k + (tb ? col * k + j : j * n + col)]!;
              sum = to11Bits(sum + left * right);
            }
            return sum;
          });
        },
      },
    }),
  );

  const tf32: (o: Backend<Values>) => Mutation = ({ kernels, info }) => ({
    kernels: { matmul: (a, b, ta, tb) => kernels.matmul(asTf32(a), asTf32(b), ta, tb) },
    info: () => ({ ...info(), precision: 'tf32' }),
  });

  it('matmul rounds its inputs to TF32 and does not say so', async () => {
    const create = mutant((o) => ({ ...tf32(o), info: o.info }));
    const failures = failed(await runOps(create, ['matmul']));
    for (const k of [2, 8, 16]) expect([...failures.keys()]).toContain(`matmul(precision,k=${k})`);
    // Why the precision cases are short: in long sums of positive numbers TF32 averages out.
    expect([...failures.keys()]).not.toContain('matmul(exact,b=2,m=9,k=20,n=11)');
  });

  it('a backend that declares TF32 passes with it', async () => {
    const report = await runOps(mutant(tf32), ['matmul', 'backend']);
    expect(failed(report)).toEqual(new Map());
    expect(report.ok).toBe(true);
    expect(report.tier).toBe('tf32');
  });

  it('a backend that declares another tier than the test expects is told so', async () => {
    const report = await runOps(mutant(tf32), ['backend'], { tier: 'f32' });
    expect(failed(report).get('backend(info)')).toMatch(/declares precision tf32/);
  });

  catches('NaN is flushed by upload', ['upload'], ['upload(NaN)'], ({ upload }) => ({
    upload: (data, shape, dtype) => upload(data.map((v) => v || 0) as typeof data, shape, dtype),
  }));

  catches('NaN is flushed by kernels', ['unary'], ['exp(NaN)', 'sqrt(NaN)'], ({ kernels }) => ({
    kernels: { unary: (op, x) => kernels.unary(op, x).map((v) => (Number.isNaN(v) ? 0 : v)) },
  }));

  catches('-0 becomes 0', ['upload'], ['upload(signedZeros)'], ({ upload }) => ({
    upload: (data, shape, dtype) => upload(data.map((v) => v + 0) as typeof data, shape, dtype),
  }));

  const flushing = mutant(({ upload }) => ({
    upload: (data, shape, dtype) =>
      upload(data.map((v) => (Math.abs(v) < 2 ** -126 ? 0 : v)) as typeof data, shape, dtype),
  }));

  it('denormals are flushed, which is only right if declared', async () => {
    const cases = CASES.filter((c) => c.id === 'upload(denormals)');
    expect((await runConformance(flushing, { cases })).counts.failed).toBe(1);
    expect((await runConformance(flushing, { cases, flushesDenormals: true })).ok).toBe(true);
  });
});

describe('wrong fused kernels', () => {
  const rowsOf = (x: Input, f: (row: Float64Array) => ArrayLike<number>) => {
    const n = x.shape[1]!;
    const out = new Float32Array(x.handle.length);
    for (let i = 0; i < out.length; i += n) {
      out.set(Array.from(f(Float64Array.from(x.handle.subarray(i, i + n)))), i);
    }
    return out;
  };
  const total = (row: Float64Array) => row.reduce((a, b) => a + b, 0);
  /** Fused handles must be counted like others: a kernel that copies its input does that. */
  const counted = (o: Backend<Values>, values: Float32Array, like: Input) => {
    const handle = o.kernels.unary('neg', like);
    handle.set(values);
    return handle;
  };

  /** Abramowitz and Stegun 7.1.26, good to 1.5e-7. */
  const erf = (x: number) => {
    const t = 1 / (1 + 0.3275911 * Math.abs(x));
    const poly =
      t *
      (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    return Math.sign(x) * (1 - poly * Math.exp(-x * x));
  };

  it('gelu with the error function instead of the tanh approximation', async () => {
    const create = mutant((o) => ({
      fused: {
        gelu: (x) =>
          counted(
            o,
            Float32Array.from(x.handle, (v) => 0.5 * v * (1 + erf(v / Math.SQRT2))),
            x,
          ),
      },
    }));
    const failures = failed(await runOps(create, ['gelu']));
    expect([...failures.keys()]).toContain('gelu(sweep)');
    // The composition does not use the kernel and stays right.
    expect([...failures.keys()].filter((id) => id.endsWith(',composed)'))).toEqual([]);
  });

  catches('softmax without subtracting the maximum', ['softmax'], ['softmax(large)'], (o) => ({
    fused: {
      softmax: (x) =>
        counted(
          o,
          rowsOf(x, (row) => {
            const powers = row.map((v) => Math.fround(Math.exp(v)));
            return powers.map((p) => p / total(powers));
          }),
          x,
        ),
    },
  }));

  catches('layerNorm by E[x^2] - E[x]^2', ['layerNorm'], ['layerNorm(offset)'], (o) => ({
    fused: {
      layerNorm: (x, epsilon) =>
        counted(
          o,
          rowsOf(x, (row) => {
            const centre = Math.fround(total(row) / row.length);
            const squares = Math.fround(total(row.map((v) => v * v)) / row.length);
            const variance = Math.fround(squares - Math.fround(centre * centre));
            return row.map((v) => (v - centre) / Math.sqrt(variance + epsilon));
          }),
          x,
        ),
    },
  }));

  catches(
    'rmspropStep with epsilon inside the root',
    ['rmspropStep'],
    ['rmspropStep(known)', 'rmspropStep(firstStep)'],
    (o) => ({
      fused: {
        rmspropStep(value, grad, square, { learningRate, decay, epsilon }) {
          const squares = Float32Array.from(
            square.handle,
            (s, i) => decay * s + (1 - decay) * grad.handle[i]! ** 2,
          );
          const values = squares.map(
            (s, i) => value.handle[i]! - (learningRate * grad.handle[i]!) / Math.sqrt(s + epsilon),
          );
          return { value: counted(o, values, value), square: counted(o, squares, square) };
        },
      },
    }),
  );
});

describe('wrong lifetimes', () => {
  catches(
    'an input is changed in place',
    ['unary'],
    ['neg(shape=5x7)', 'exp(shape=5x7)'],
    ({ kernels }) => ({
      kernels: {
        unary(op, x) {
          const out = kernels.unary(op, x);
          x.handle.set(out);
          return out;
        },
      },
    }),
    /input 0 was changed/,
  );

  catches(
    'a kernel returns the handle that it was given',
    ['permute'],
    ['permute(shape=7,axes=0)'],
    ({ kernels }) => ({
      kernels: {
        permute: (x, axes) =>
          axes.every((axis, i) => axis === i) ? x.handle : kernels.permute(x, axes),
      },
    }),
    /returned a handle that it was given/,
  );

  catches(
    'an output is a view into an input whose memory is used again',
    ['slice'],
    ['slice(shape=7,begin=2,size=3)'],
    ({ kernels, free }) => ({
      kernels: {
        slice(x, begin, size) {
          const out = kernels.slice(x, begin, size);
          return x.shape.length === 1 ? x.handle.subarray(begin[0], begin[0]! + size[0]!) : out;
        },
      },
      free(handle) {
        handle.fill(0);
        free(handle);
      },
    }),
    /shares their memory/,
  );

  catches(
    'a buffer is never freed',
    ['matmul'],
    ['matmul(known)'],
    ({ kernels }) => ({
      kernels: {
        matmul(a, b, ta, tb) {
          kernels.unary('neg', a);
          return kernels.matmul(a, b, ta, tb);
        },
      },
    }),
    /buffers are alive after the case/,
  );

  catches(
    'upload keeps the array of the caller',
    ['upload'],
    ['upload(copies)'],
    (o) => ({
      upload(data, shape, dtype) {
        o.upload(data, shape, dtype);
        return data;
      },
    }),
    /shares the caller's array/,
  );

  catches(
    'read gives the memory itself',
    ['upload'],
    ['upload(copies)'],
    () => ({
      read: async (x) => x.handle as Float32Array,
    }),
    /gave the tensor itself/,
  );
});

describe('refusals', () => {
  it('a backend that refuses everything does not pass', async () => {
    const report = await runConformance(
      mutant(() => ({ supports: () => ({ reason: 'not written yet' }) })),
    );
    const failures = failed(report);
    expect(report.ok).toBe(false);
    expect(failures.get('matmul(known)')).toMatch(/required of every backend, refused/);
    expect(report.counts.unsupported).toBeGreaterThan(500);
    const required = FLOOR.filter((id) => !id.startsWith('backend('));
    expect(required.filter((id) => !failures.has(id))).toEqual([]);
    expect(report.problems).toContain('required case matmul(known) did not pass');
  });

  it('a refusal of something that is not required is counted as such', async () => {
    const report = await runOps(
      mutant(() => ({
        supports: ({ op, shapes }) =>
          op === 'permute' && shapes[0]!.length > 4 ? { reason: 'rank 5 is not supported' } : true,
      })),
      ['permute'],
    );
    expect(report.ok).toBe(true);
    expect(report.counts.unsupported).toBe(6);
    expect(report.results.find((r) => r.status === 'unsupported')?.message).toMatch(/rank 5/);
  });

  catches(
    'a refusal without a reason',
    ['argmin'],
    ['argmin(ties)', 'argmin(property)'],
    () => ({ supports: ({ op }) => (op === 'argmin' ? { reason: ' ' } : true) }),
    /without a reason/,
  );

  catches(
    'a refusal from inside a kernel, not declared',
    ['concat'],
    ['concat(shapes=3+4,axis=0)', 'concat(property)'],
    () => ({
      kernels: {
        concat() {
          throw new UnsupportedOpError('no concat here');
        },
      },
    }),
    /without declaring/,
  );

  catches(
    'a kernel throws',
    ['argmin'],
    ['argmin(ties)'],
    () => ({
      kernels: {
        argmin() {
          throw new RangeError('out of memory');
        },
      },
    }),
    /threw RangeError: out of memory/,
  );

  catches(
    'a kernel is missing',
    ['backend'],
    ['backend(kernels)'],
    () => ({
      kernels: { concat: undefined as never },
    }),
    /missing kernels: concat/,
  );
});
