import { RandomStream, type WeightMatrix } from '../../src/index.ts';

/** A matrix of normal weights, rows of different sizes, with some far outliers. */
export function randomMatrix(
  seed: number,
  rows: number,
  columns: number,
  groups = 1,
): WeightMatrix {
  const random = new RandomStream(seed);
  const data = random.derive('weights').fillNormal(new Float32Array(rows * columns));
  const sizes = random.derive('sizes').fillNormal(new Float32Array(rows));
  for (let i = 0; i < data.length; i++) {
    data[i]! *= Math.exp(sizes[Math.floor(i / columns)]!) * (i % 37 === 0 ? 4 : 1);
  }
  return { name: 'layer', rows, columns, data, groups };
}

/** The mean of x x^T, [columns, columns], over inputs that mix `rank` sources and a little noise. */
export function correlatedGram(seed: number, columns: number, rank: number): Float64Array {
  const mixing = new RandomStream(seed)
    .derive('mixing')
    .fillNormal(new Float32Array(rank * columns));
  const gram = new Float64Array(columns * columns);
  for (let a = 0; a < columns; a++) {
    for (let b = 0; b < columns; b++) {
      let sum = a === b ? 0.01 : 0;
      for (let r = 0; r < rank; r++) sum += mixing[r * columns + a]! * mixing[r * columns + b]!;
      gram[a * columns + b] = sum;
    }
  }
  return gram;
}

export function identity(n: number): Float64Array {
  return Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
}
