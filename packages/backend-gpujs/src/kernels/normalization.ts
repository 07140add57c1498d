import type { GlDevice } from '../device.ts';
import { lanes, TEXEL } from '../glsl.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { fills, texelsOf } from '../layout.ts';
import type { ProgramSource } from '../program.ts';
import { type Input, withTemporaries } from '../tensor.ts';
import { matrix } from './movement.ts';

/** x [rows, n] -> softmax over the last axis. */
export function softmax(device: GlDevice, x: Input): GpuTexture {
  const [rows, n] = matrix(x.shape);
  return softmaxRows(device, x.handle.low, rows, n);
}

/** The same for a texture. */
export function softmaxRows(device: GlDevice, x: GpuTexture, rows: number, n: number): GpuTexture {
  return withTemporaries(device, (temporary) => {
    const stats = temporary(rowStatistics(device, 'softmax', x, rows, n, 0));
    return perRow(device, 'softmax', x, stats, rows, n);
  });
}

/** x [rows, n] -> (x - mean) / sqrt(variance + epsilon) over the last axis. */
export function layerNorm(device: GlDevice, x: Input, epsilon: number): GpuTexture {
  const [rows, n] = matrix(x.shape);
  return withTemporaries(device, (temporary) => {
    const stats = temporary(rowStatistics(device, 'layerNorm', x.handle.low, rows, n, epsilon));
    return perRow(device, 'layerNorm', x.handle.low, stats, rows, n);
  });
}

/** layerNorm(x) (1 + scale) + shift. x [N, T, D], shift and scale [N, D]. */
export function modulatedLayerNorm(
  device: GlDevice,
  x: Input,
  shift: Input,
  scale: Input,
  epsilon: number,
): GpuTexture {
  const [images, tokens, n] = x.shape as unknown as [number, number, number];
  const rows = images * tokens;
  return withTemporaries(device, (temporary) => {
    const stats = temporary(rowStatistics(device, 'layerNorm', x.handle.low, rows, n, epsilon));
    const kind = fills(n) ? 'texels' : 'elements';
    const units = fills(n) ? n / 4 : n;
    const args = [x.handle.low, stats, shift.handle.low, scale.handle.low, units, tokens];
    return device.run(`modulate.${kind}`, () => MODULATE[kind], texelsOf(rows * n), args);
  });
}

type Statistics = 'softmax' | 'layerNorm';

/**
 * One texel for each row: for softmax the maximum and 1 / sum(exp(x - maximum)), for layer norm the
 * mean and 1 / sqrt(variance + epsilon). Two passes over the row, so that nothing cancels.
 */
function rowStatistics(
  device: GlDevice,
  what: Statistics,
  x: GpuTexture,
  rows: number,
  n: number,
  epsilon: number,
): GpuTexture {
  const kind = fills(n) ? 'texels' : 'elements';
  const args = [x, fills(n) ? n / 4 : n, n, epsilon];
  return device.run(`${what}.rows.${kind}`, () => statisticsSource(what, fills(n)), rows, args);
}

function statisticsSource(what: Statistics, isWhole: boolean): ProgramSource {
  const fetch = isWhole ? 'texel' : 'at';
  const add = (sum: string, term: string) => `${sum} += ${isWhole ? `sum4(${term})` : term};`;
  const softmaxBody = `
    let top = ${isWhole ? 'max4(texel(x, row))' : 'at(x, row)'};
    for (let k = 1; k < units; k++) {
      top = larger(top, ${isWhole ? 'max4(texel(x, row + k))' : 'at(x, row + k)'});
    }
    let total = 0.0;
    for (let j = 0; j < units; j++) { ${add('total', `power(${fetch}(x, row + j), top)`)} }
    return [top, 1 / total, epsilon, n];`;
  const layerNormBody = `
    let total = 0.0;
    for (let k = 0; k < units; k++) { ${add('total', `${fetch}(x, row + k)`)} }
    const mean = total / n;
    let squares = 0.0;
    for (let j = 0; j < units; j++) { ${add('squares', `deviation(${fetch}(x, row + j), mean)`)} }
    return [mean, inverseRoot(squares / n + epsilon), 0, 0];`;
  const type = isWhole ? 'vec4' : 'float';
  return {
    args: { x: 'texture', units: 'int', n: 'float', epsilon: 'float' },
    glsl: `
      float power(float x, float top) { return expOf(x - top); }
      vec4 power(vec4 x, float top) {
        return vec4(expOf(x.x - top), expOf(x.y - top), expOf(x.z - top), expOf(x.w - top));
      }
      ${type} deviation(${type} x, float mean) { return (x - mean) * (x - mean); }
      float inverseRoot(float x) { return 1.0 / sqrt(x); }`,
    functions: {
      power: [type, type, 'float'],
      deviation: [type, type, 'float'],
      inverseRoot: ['float', 'float'],
    },
    body: `${TEXEL}
      const row = i * units;
      ${what === 'softmax' ? softmaxBody : layerNormBody}`,
  };
}

/** Applies the statistics of {@link rowStatistics}. */
function perRow(
  device: GlDevice,
  what: Statistics,
  x: GpuTexture,
  stats: GpuTexture,
  rows: number,
  n: number,
): GpuTexture {
  const kind = fills(n) ? 'texels' : 'elements';
  const args = [x, stats, fills(n) ? n / 4 : n];
  return device.run(
    `${what}.${kind}`,
    () => perRowSource(what, fills(n)),
    texelsOf(rows * n),
    args,
  );
}

function perRowSource(what: Statistics, isWhole: boolean): ProgramSource {
  const f =
    what === 'softmax'
      ? 'float f(float x, vec4 row) { return expOf(x - row.x) * row.y; }'
      : 'float f(float x, vec4 row) { return (x - row.x) * row.y; }';
  return {
    args: { x: 'texture', stats: 'texture', units: 'int' },
    glsl: `${f}
      vec4 f(vec4 x, vec4 row) { return vec4(f(x.x, row), f(x.y, row), f(x.z, row), f(x.w, row)); }`,
    functions: { f: isWhole ? ['vec4', 'vec4', 'vec4'] : ['float', 'float', 'vec4'] },
    body: isWhole
      ? `${TEXEL} return f(texel(x, i), texel(stats, idiv(i, units)));`
      : `${TEXEL} ${lanes(`
          const e$ = 4 * i + $;
          const r$ = f(at(x, e$), texel(stats, idiv(e$, units)));`)}
         return [r0, r1, r2, r3];`,
  };
}

const MODULATE_ARGS = {
  x: 'texture',
  stats: 'texture',
  shift: 'texture',
  scale: 'texture',
  units: 'int',
  tokens: 'int',
} as const;

const MODULATE_GLSL = (type: 'vec4' | 'float') =>
  `${type} modulate(${type} x, vec4 row, ${type} shift, ${type} scale) {
    return (x - row.x) * row.y * (1.0 + scale) + shift;
  }`;

const MODULATE: Readonly<Record<'texels' | 'elements', ProgramSource>> = {
  texels: {
    args: MODULATE_ARGS,
    glsl: MODULATE_GLSL('vec4'),
    functions: { modulate: ['vec4', 'vec4', 'vec4', 'vec4', 'vec4'] },
    body: `${TEXEL}
      const row = idiv(i, units);
      const j = idiv(row, tokens) * units + i - row * units;
      return modulate(texel(x, i), texel(stats, row), texel(shift, j), texel(scale, j));`,
  },
  elements: {
    args: MODULATE_ARGS,
    glsl: MODULATE_GLSL('float'),
    functions: { modulate: ['float', 'float', 'vec4', 'float', 'float'] },
    body: `${TEXEL} ${lanes(`
      const e$ = 4 * i + $;
      const row$ = idiv(e$, units);
      const j$ = idiv(row$, tokens) * units + e$ - row$ * units;
      const r$ = modulate(at(x, e$), texel(stats, row$), at(shift, j$), at(scale, j$));`)}
      return [r0, r1, r2, r3];`,
  },
};
