import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { fills } from '../layout.ts';
import { type ProgramSource, TEXEL } from '../source.ts';
import { type Input, withTemporaries } from '../tensor.ts';
import { copy } from './movement.ts';
import { softmaxRows } from './normalization.ts';
import { packRows } from './pack.ts';

/**
 * qkv [N, T, 3D] -> softmax(q k^T / sqrt(D / heads)) v per head, [N, T, D]. Heads are read where they
 * lie, if they begin and end with whole texels.
 */
export function selfAttention(device: GlDevice, qkv: Input, heads: number): GpuTexture {
  const [n, tokens, triple] = qkv.shape as unknown as [number, number, number];
  const width = triple / 3 / heads;
  const scale = 1 / Math.sqrt(width);
  const x = qkv.handle.low;
  if (fills(width)) return attend(device, x, { n, tokens, heads, texels: width / 4, scale });
  return withTemporaries(device, (temporary) => {
    const texels = Math.ceil(width / 4);
    const rows = n * tokens * 3 * heads;
    const steps = [0, width, 1] as const;
    const whole = temporary(packRows(device, x, { batch: 1, rows, n: width, steps }));
    const out = temporary(attend(device, whole, { n, tokens, heads, texels, scale }));
    return copy(device, out, 0, [
      { size: n * tokens * heads, steps: [4 * texels] },
      { size: width, steps: [1] },
    ]);
  });
}

interface Size {
  readonly n: number;
  readonly tokens: number;
  readonly heads: number;
  /** Of one head. */
  readonly texels: number;
  readonly scale: number;
}

/** x [N, T, 3 heads 4 texels] -> [N, T, heads 4 texels]. */
function attend(
  device: GlDevice,
  x: GpuTexture,
  { n, tokens, heads, texels, scale }: Size,
): GpuTexture {
  const rows = n * heads * tokens;
  // Rows of scores are filled up to whole texels with scores that weigh nothing.
  const columns = Math.ceil(tokens / 4);
  return withTemporaries(device, (temporary) => {
    const args = [x, heads, tokens, columns, texels, scale];
    const scores = temporary(device.run('attention.scores', () => SCORES, rows * columns, args));
    const weights = temporary(softmaxRows(device, scores, rows, 4 * columns));
    const rest = [x, weights, heads, tokens, columns, texels];
    return device.run('attention.values', () => VALUES, n * tokens * heads * texels, rest);
  });
}

/** A score whose exponential is 0 beside any other. */
const NOTHING = '-3.0e38';

const SCORES: ProgramSource = {
  args: {
    x: 'texture',
    heads: 'int',
    tokens: 'int',
    columns: 'int',
    head: 'int',
    scale: 'float',
  },
  body: `${TEXEL}
    const row = idiv(i, columns);
    const column = 4 * (i - row * columns);
    const nh = idiv(row, tokens);
    const image = idiv(nh, heads);
    const own = (nh - image * heads) * head;
    const line = 3 * heads * head;
    const q = (image * tokens + row - nh * tokens) * line + own;
    const k = (image * tokens + column) * line + heads * head + own;
    let r0 = 0.0; let r1 = 0.0; let r2 = 0.0; let r3 = 0.0;
    for (let j = 0; j < head; j++) {
      const v = texel(x, q + j);
      r0 += dot4(v, texel(x, k + j));
      r1 += dot4(v, texel(x, k + line + j));
      r2 += dot4(v, texel(x, k + 2 * line + j));
      r3 += dot4(v, texel(x, k + 3 * line + j));
    }
    r0 *= scale; r1 *= scale; r2 *= scale; r3 *= scale;
    if (column + 1 >= tokens) { r1 = ${NOTHING}; }
    if (column + 2 >= tokens) { r2 = ${NOTHING}; }
    if (column + 3 >= tokens) { r3 = ${NOTHING}; }
    return [r0, r1, r2, r3];`,
};

const VALUES: ProgramSource = {
  args: {
    x: 'texture',
    weights: 'texture',
    heads: 'int',
    tokens: 'int',
    columns: 'int',
    head: 'int',
  },
  body: `${TEXEL}
    const width = heads * head;
    const position = idiv(i, width);
    const column = i - position * width;
    const image = idiv(position, tokens);
    const h = idiv(column, head);
    const w = ((image * heads + h) * tokens + position - image * tokens) * columns;
    const v = image * tokens * 3 * width + 2 * width + column;
    let r = splat4(0.0);
    for (let j = 0; j < columns; j++) {
      const p = texel(weights, w + j);
      const t = v + 12 * j * width;
      r = madd4(r, texel(x, t), p[0]);
      if (4 * j + 1 < tokens) { r = madd4(r, texel(x, t + 3 * width), p[1]); }
      if (4 * j + 2 < tokens) { r = madd4(r, texel(x, t + 6 * width), p[2]); }
      if (4 * j + 3 < tokens) { r = madd4(r, texel(x, t + 9 * width), p[3]); }
    }
    return r;`,
};
