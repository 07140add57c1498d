import type { BinaryOp, Shape, UnaryOp } from '@vq4dit/core';
import { collapseBroadcast } from './collapse.ts';
import { type Kernel, type TfDevice, withWork } from './device.ts';
import { binaryLoop } from './host/binary.ts';
import { signLoop } from './host/sign.ts';
import type { TensorInfo } from './tf.ts';

const UNARY: Readonly<Record<UnaryOp, string>> = {
  neg: 'Neg',
  abs: 'Abs',
  sign: 'Sign',
  exp: 'Exp',
  log: 'Log',
  sqrt: 'Sqrt',
  square: 'Square',
  reciprocal: 'Reciprocal',
  sin: 'Sin',
  cos: 'Cos',
  tanh: 'Tanh',
  sigmoid: 'Sigmoid',
};

const BINARY: Readonly<Record<BinaryOp, string>> = {
  add: 'Add',
  sub: 'Sub',
  mul: 'Multiply',
  div: 'RealDiv',
  maximum: 'Maximum',
  minimum: 'Minimum',
  greater: 'Greater',
};

export function unary(device: TfDevice, op: UnaryOp, x: Kernel): TensorInfo {
  // One axis: elementwise kernels do not care, and some of them stop at rank 4.
  const size = x.shape.reduce((a, b) => a * b, 1);
  if (op === 'sign' && device.host) return signLoop(device.host, x);
  return withWork(device, (w) => {
    const flat = w.input(x, [size]);
    // Native TensorFlow's own `Reciprocal` is an estimate that is refined, and up to 2 ulp away.
    if (op === 'reciprocal' && device.name === 'tensorflow') {
      return w.run('RealDiv', { a: w.scalar(1), b: flat });
    }
    const out = w.run(UNARY[op], { x: flat });
    if (op !== 'sign') return out;
    const isNan = w.run('IsNan', { x: flat });
    return w.run('Select', { condition: isNan, t: flat, e: out });
  });
}

export function binary(
  device: TfDevice,
  op: BinaryOp,
  a: Kernel,
  b: Kernel,
  shape: Shape,
): TensorInfo {
  const collapsed = collapseBroadcast(a.shape, b.shape, shape);
  // On wasm `Maximum` loses NaN and takes as long as a loop; `Greater` makes bytes, to be converted.
  const loop = op === 'maximum' || op === 'minimum' || op === 'greater';
  if (loop && device.host) return binaryLoop(device.host, op, a, b, collapsed);
  return withWork(device, (w) => {
    const inputs = { a: w.input(a, collapsed.a), b: w.input(b, collapsed.b) };
    const out = w.run(BINARY[op], inputs);
    return op === 'greater' ? w.run('Cast', { x: out }, { dtype: 'float32' }) : out;
  });
}
