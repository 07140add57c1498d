import { RandomStream } from '@vq4dit/core';

/** Columns times a power of the root mean square of their inputs; a layer norm before can undo it. */
export const scaleColumns = (power) => (matrix, gram) => {
  const { columns, data } = matrix;
  let trace = 0;
  for (let j = 0; j < columns; j++) trace += gram[j * columns + j];
  // Inputs that are almost never seen do not vanish: at least a thousandth of the mean.
  const least = (1e-6 * trace) / columns;
  const scales = Float64Array.from(
    { length: columns },
    (_, j) => Math.sqrt(Math.max(gram[j * columns + j], least)) ** power,
  );
  return {
    matrix: { ...matrix, data: data.map((w, i) => w * scales[i % columns]) },
    gram: gram.map((h, i) => h / scales[Math.floor(i / columns)] / scales[i % columns]),
    back: (weights) => weights.map((w, i) => w / scales[i % columns]),
    bits: 0,
  };
};

/** Rows divided by their root mean square, which is stored in 16 bits. */
export function scaleRows(matrix, gram) {
  const { rows, columns, data } = matrix;
  const scales = Float64Array.from({ length: rows }, (_, r) => {
    const row = data.subarray(r * columns, (r + 1) * columns);
    return Math.sqrt(row.reduce((sum, w) => sum + w * w, 0) / columns);
  });
  return {
    matrix: { ...matrix, data: data.map((w, i) => w / scales[Math.floor(i / columns)]) },
    gram,
    back: (weights) => weights.map((w, i) => w * scales[Math.floor(i / columns)]),
    bits: 16 * rows,
  };
}

/** W Q with a random orthogonal Q, for inputs Q^T x: no direction is special then. */
export function rotate(matrix, gram) {
  const { rows, columns, data } = matrix;
  const q = orthogonal(columns);
  const transposed = q.map((_, i) => q[(i % columns) * columns + Math.floor(i / columns)]);
  const turned = multiply(data, q, rows, columns, columns);
  const half = multiply(gram, q, columns, columns, columns);
  return {
    matrix: { ...matrix, data: Float32Array.from(turned) },
    gram: multiply(transposed, half, columns, columns, columns),
    back: (weights) => Float32Array.from(multiply(weights, transposed, rows, columns, columns)),
    bits: 0,
  };
}

/** Gram-Schmidt on normal numbers. [n, n] */
function orthogonal(n) {
  const q = Float64Array.from(new RandomStream(1, 'rotation').fillNormal(new Float32Array(n * n)));
  for (let i = 0; i < n; i++) {
    const row = q.subarray(i * n, (i + 1) * n);
    for (let before = 0; before < i; before++) {
      const other = q.subarray(before * n, (before + 1) * n);
      const product = row.reduce((sum, x, j) => sum + x * other[j], 0);
      for (let j = 0; j < n; j++) row[j] -= product * other[j];
    }
    const length = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
    for (let j = 0; j < n; j++) row[j] /= length;
  }
  return q;
}

/** [m, k] times [k, n] */
function multiply(a, b, m, k, n) {
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let l = 0; l < k; l++) {
      const x = a[i * k + l];
      for (let j = 0; j < n; j++) out[i * n + j] += x * b[l * n + j];
    }
  }
  return out;
}
