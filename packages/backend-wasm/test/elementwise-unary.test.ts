import { RandomStream, UNARY_OPS, type UnaryOp } from '@vq4dit/core';
import { describe, expect, it } from 'vitest';
import { expectSameBits, host, normal, ulps, useDevices } from './support/devices.ts';

const devices = useDevices();

const unary = (op: UnaryOp, data: Float32Array) =>
  devices.run((kernels, [x]) => kernels.unary(op, x!), [host(data)], [data.length]);

const FUNCTIONS: Readonly<Record<UnaryOp, (x: number) => number>> = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  square: (x) => x * x,
  reciprocal: (x) => 1 / x,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  sigmoid: (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x))),
};

/**
 * Units in the last place. Instructions round once; the others were measured on 2^20 arguments per
 * range as at most 1.1 (exp), 0.8 (log), 1.6 (sin, cos), 2.5 (tanh) and 2.1 (sigmoid).
 */
const BOUNDS: Readonly<Record<UnaryOp, number>> = {
  neg: 0,
  abs: 0,
  sign: 0,
  exp: 1.25,
  log: 1,
  sqrt: 0.5,
  square: 0.5,
  reciprocal: 0.5,
  sin: 1.75,
  cos: 1.75,
  tanh: 2.75,
  sigmoid: 2.5,
};

function expectClose(op: UnaryOp, x: Float32Array): void {
  const f = FUNCTIONS[op];
  for (const got of unary(op, x)) {
    for (let i = 0; i < x.length; i++) {
      const want = f(x[i]!);
      if (Number.isNaN(want)) {
        if (!Number.isNaN(got[i]!)) expect.fail(`${op}(${x[i]}) is ${got[i]}, not NaN`);
      } else if (!(ulps(got[i]!, want) <= BOUNDS[op])) {
        expect.fail(`${op}(${x[i]}) is ${got[i]}, not ${want}: ${ulps(got[i]!, want)} ulp`);
      }
    }
  }
}

describe.each(UNARY_OPS)('%s', (op) => {
  it('is right for numbers of every size', () => {
    const random = new RandomStream(7);
    const words = Int32Array.from({ length: 40_000 }, () => random.uint32());
    expectClose(op, new Float32Array(words.buffer));
  });

  it('is right for ordinary numbers', () => {
    for (const range of [1, 12, 104]) {
      const random = new RandomStream(range);
      expectClose(
        op,
        Float32Array.from({ length: 20_000 }, () => range * (2 * random.uniform() - 1)),
      );
    }
  });

  it('is right at its ends', () => {
    const { POSITIVE_INFINITY: inf, NaN: nan } = Number;
    const sizes = [0, 2 ** -149, 2 ** -130, 2 ** -126, 1, 2 ** 23, 2 ** 27, 2 ** 127, 3.4e38, inf];
    // Around the ends of exp: infinity, denormal numbers, zero.
    sizes.push(88.72, 88.73, 87.33, 87.34, 103.9, 103.97, 103.98, 104, 110, 9, 9.1, 10, 16.6);
    expectClose(op, Float32Array.from([nan, ...sizes, ...sizes.map((x) => -x)]));
  });

  it('does not depend on where in a vector an element is, nor on its neighbours', () => {
    const x = normal([67]).data as Float32Array;
    const whole = unary(op, x);
    for (let length = 1; length <= 67; length++) {
      const parts = unary(op, x.slice(67 - length));
      for (const [i, part] of parts.entries()) expectSameBits(part, whole[i]!.slice(67 - length));
    }
  });

  it('takes any address that is a multiple of 4', () => {
    const x = normal([40]).data as Float32Array;
    for (const { engine } of devices.builds()) {
      const memory = engine.allocate(1024);
      engine.float32(memory, 40).set(x);
      const out = memory + 512;
      engine.run(`unary_${op}`, [memory, out, 40, 40], 1);
      const want = new Float32Array(engine.float32(out, 40));
      for (const shift of [4, 8, 12]) {
        engine.float32(memory + shift, 40).set(x);
        engine.run(`unary_${op}`, [memory + shift, out + 16 - shift, 40, 40], 1);
        expectSameBits(new Float32Array(engine.float32(out + 16 - shift, 40)), want);
      }
      engine.free(memory);
    }
  });

  it('cuts long tensors without a seam', () => {
    const x = normal([100_003]).data as Float32Array;
    const whole = unary(op, x);
    const end = unary(op, x.slice(99_000));
    for (const [i, got] of whole.entries()) expectSameBits(got.slice(99_000), end[i]!);
  });
});
