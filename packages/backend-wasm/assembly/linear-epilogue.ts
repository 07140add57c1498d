/** What follows the product of a linear layer, applied while the product is still in the cache. */
import { gelu_v128, silu_v128 } from './math';

/** Argument words of the epilogue; an address of 0 means that there is none. */
@unmanaged
export class Epilogue {
  /** [out] */
  bias!: usize;
  /** 0 none, 1 GELU, 2 SiLU */
  activation!: i32;
  /** [images, out] */
  gate!: usize;
  /** [rows, out] */
  residual!: usize;
  rowsPerImage!: i32;
}

/**
 * y = activation(y + bias); with a gate, residual + gate * y.
 *
 * @param y [*, n], of which rows [row, row + rows) and columns [column, column + columns) are finished
 */
export function finish(
  epilogue: Epilogue,
  y: usize,
  n: i32,
  row: i32,
  rows: i32,
  column: i32,
  columns: i32,
): void {
  const activation = epilogue.activation;
  if (epilogue.bias == 0 && activation == 0 && epilogue.gate == 0) return;
  const left = <usize>column << 2;
  for (let i = row; i < row + rows; i++) {
    const start = <usize>i * <usize>n * 4 + left;
    const bias: usize = epilogue.bias == 0 ? <usize>0 : epilogue.bias + left;
    const image = <usize>(i / epilogue.rowsPerImage);
    const gates = epilogue.gate + image * <usize>n * 4 + left;
    const gate: usize = epilogue.gate == 0 ? <usize>0 : gates;
    finishRow(y + start, bias, activation, gate, epilogue.residual + start, <usize>columns << 2);
  }
}

function finishRow(
  y: usize,
  bias: usize,
  activation: i32,
  gate: usize,
  residual: usize,
  bytes: usize,
): void {
  const whole = bytes & ~15;
  let i: usize = 0;
  for (; i < whole; i += 16) {
    let x = v128.load(y + i);
    if (bias != 0) x = f32x4.add(x, v128.load(bias + i));
    if (activation == 1) x = gelu_v128(x);
    else if (activation == 2) x = silu_v128(x);
    if (gate != 0) x = f32x4.add(v128.load(residual + i), f32x4.mul(v128.load(gate + i), x));
    v128.store(y + i, x);
  }
  for (; i < bytes; i += 4) {
    let x = v128.load32_splat(y + i);
    if (bias != 0) x = f32x4.add(x, v128.load32_splat(bias + i));
    if (activation == 1) x = gelu_v128(x);
    else if (activation == 2) x = silu_v128(x);
    if (gate != 0) {
      const gated = f32x4.mul(v128.load32_splat(gate + i), x);
      x = f32x4.add(v128.load32_splat(residual + i), gated);
    }
    v128.store32_lane(y + i, x, 0);
  }
}
