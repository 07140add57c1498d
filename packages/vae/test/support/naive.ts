/** Definitions in plain loops and float64, to hold the banded ones against. All maps are [H W, C]. */

export interface NaiveMap {
  readonly height: number;
  readonly width: number;
  readonly values: Float64Array;
}

export function naiveDouble({ height, width, values }: NaiveMap): NaiveMap {
  const channels = values.length / (height * width);
  const out = new Float64Array(4 * values.length);
  for (let y = 0; y < 2 * height; y++) {
    for (let x = 0; x < 2 * width; x++) {
      const from = ((y >> 1) * width + (x >> 1)) * channels;
      out.set(values.subarray(from, from + channels), (y * 2 * width + x) * channels);
    }
  }
  return { height: 2 * height, width: 2 * width, values: out };
}

/** kernel [out, in, 3, 3] */
export function naiveConvolution(
  { height, width, values }: NaiveMap,
  kernel: Float32Array,
  bias: Float32Array,
): NaiveMap {
  const inputs = values.length / (height * width);
  const outputs = bias.length;
  const out = new Float64Array(height * width * outputs);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let o = 0; o < outputs; o++) {
        let sum = bias[o]!;
        for (let i = 0; i < inputs; i++) {
          for (let tap = 0; tap < 9; tap++) {
            const [yy, xx] = [y + Math.floor(tap / 3) - 1, x + (tap % 3) - 1];
            if (yy < 0 || yy >= height || xx < 0 || xx >= width) continue;
            sum += kernel[(o * inputs + i) * 9 + tap]! * values[(yy * width + xx) * inputs + i]!;
          }
        }
        out[(y * width + x) * outputs + o] = sum;
      }
    }
  }
  return { height, width, values: out };
}

export function naiveGroupNorm(
  { height, width, values }: NaiveMap,
  groups: number,
  weight: Float32Array,
  bias: Float32Array,
): NaiveMap {
  const channels = weight.length;
  const out = new Float64Array(values.length);
  const size = channels / groups;
  for (let g = 0; g < groups; g++) {
    const own: number[] = [];
    for (let i = 0; i < values.length; i++) {
      if (Math.floor((i % channels) / size) === g) own.push(i);
    }
    const mean = own.reduce((sum, i) => sum + values[i]!, 0) / own.length;
    const variance = own.reduce((sum, i) => sum + (values[i]! - mean) ** 2, 0) / own.length;
    for (const i of own) {
      const c = i % channels;
      out[i] = ((values[i]! - mean) / Math.sqrt(variance + 1e-6)) * weight[c]! + bias[c]!;
    }
  }
  return { height, width, values: out };
}

export function naiveSilu(map: NaiveMap): NaiveMap {
  return { ...map, values: map.values.map((x) => x / (1 + Math.exp(-x))) };
}

/** Softmax attention of one head. q, k, v [T, C]. */
export function naiveAttention(
  q: Float64Array,
  k: Float64Array,
  v: Float64Array,
  channels: number,
): Float64Array {
  const count = q.length / channels;
  const out = new Float64Array(q.length);
  for (let i = 0; i < count; i++) {
    const scores = Array.from({ length: count }, (_, j) => {
      let sum = 0;
      for (let c = 0; c < channels; c++) sum += q[i * channels + c]! * k[j * channels + c]!;
      return sum / Math.sqrt(channels);
    });
    const most = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - most));
    const total = weights.reduce((a, b) => a + b);
    for (const [j, weight] of weights.entries()) {
      for (let c = 0; c < channels; c++) {
        out[i * channels + c]! += (weight / total) * v[j * channels + c]!;
      }
    }
  }
  return out;
}

/** x W^T + b. x [T, in], weight [out, in]. */
export function naiveLinear(x: Float64Array, weight: Float32Array, bias: Float32Array) {
  const inputs = weight.length / bias.length;
  const rows = x.length / inputs;
  const out = new Float64Array(rows * bias.length);
  for (let row = 0; row < rows; row++) {
    for (let o = 0; o < bias.length; o++) {
      let sum = bias[o]!;
      for (let i = 0; i < inputs; i++) sum += x[row * inputs + i]! * weight[o * inputs + i]!;
      out[row * bias.length + o] = sum;
    }
  }
  return out;
}
