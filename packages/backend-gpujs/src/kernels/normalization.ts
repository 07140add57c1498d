import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { fills, texelsOf } from '../layout.ts';
import { elementSource, type ProgramSource, texelSource } from '../source.ts';
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

/** Rows are read by the texel where they are a number of texels. */
function statisticsSource(what: Statistics, isWhole: boolean): ProgramSource {
  const value = (k: string) => `${isWhole ? 'texel' : 'at'}(x, ${k})`;
  const add = (term: string) => `total += ${isWhole ? `sum4(${term})` : term};`;
  const loop = (line: string) => `LOOP(k, first, first + units) ${line} }`;
  const top = `top = larger(top, ${isWhole ? `max4(${value('k')})` : value('k')});`;
  const centred = `(${value('k')} - mean)`;
  const softmaxLines = `
    float top = at(x, first${isWhole ? ' * 4' : ''});
    ${loop(top)}
    float total = 0.0;
    ${loop(add(`power(${value('k')} - top)`))}
    return vec4(top, 1.0 / total, 0.0, 0.0);`;
  const layerNormLines = `
    float total = 0.0;
    ${loop(add(value('k')))}
    float mean = total / n;
    total = 0.0;
    ${loop(add(`${centred} * ${centred}`))}
    return vec4(mean, 1.0 / sqrt(total / n + epsilon), 0.0, 0.0);`;
  return texelSource(
    { x: 'texture', units: 'int', n: 'float', epsilon: 'float' },
    `int first = i * units;
    ${what === 'softmax' ? softmaxLines : layerNormLines}`,
    `float power(float x) { return expOf(x); }
    vec4 power(vec4 x) { return vec4(expOf(x.x), expOf(x.y), expOf(x.z), expOf(x.w)); }`,
  );
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
  const args = { x: 'texture', stats: 'texture', units: 'int' } as const;
  const f =
    what === 'softmax'
      ? 'float f(float x, vec4 row) { return expOf(x - row.x) * row.y; }'
      : 'float f(float x, vec4 row) { return (x - row.x) * row.y; }';
  const f4 =
    'vec4 f(vec4 x, vec4 row) { return vec4(f(x.x, row), f(x.y, row), f(x.z, row), f(x.w, row)); }';
  return isWhole
    ? texelSource(args, 'return f(texel(x, i), texel(stats, i / units));', f + f4)
    : elementSource(args, 'return f(at(x, e), texel(stats, e / units));', f);
}

const MODULATE: Readonly<Record<'texels' | 'elements', ProgramSource>> = {
  texels: modulateSource(true),
  elements: modulateSource(false),
};

function modulateSource(isWhole: boolean): ProgramSource {
  const args = {
    x: 'texture',
    stats: 'texture',
    shift: 'texture',
    scale: 'texture',
    units: 'int',
    tokens: 'int',
  } as const;
  const [fetch, from] = isWhole ? ['texel', 'i'] : ['at', 'e'];
  const statements = `
    int row = ${from} / units;
    int j = row / tokens * units + ${from} - row * units;
    vec4 stat = texel(stats, row);
    return (${fetch}(x, ${from}) - stat.x) * stat.y * (1.0 + ${fetch}(scale, j)) + ${fetch}(shift, j);`;
  return isWhole ? texelSource(args, statements) : elementSource(args, statements);
}
