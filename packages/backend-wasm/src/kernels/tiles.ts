/** How a matrix product is cut into chunks, by its shape alone. */
export interface Tiles {
  readonly rows: number;
  readonly columns: number;
  readonly alongM: number;
  readonly alongN: number;
  readonly chunks: number;
}

/** Of assembly/matmul-micro.ts: both heights of a tile (4, or 6 with relaxed SIMD) divide it. */
const ROW_STEP = 12;
/** Of assembly/matmul-micro.ts: width of a tile. */
const COLUMN_STEP = 8;
/** Chunks that keep several threads evenly busy to the end. */
const WANTED = 24;
/** Floating-point operations that make a chunk worth a thread's attention: some 20 microseconds. */
const LEAST_WORK = 1e6;
/**
 * A chunk packs its rows and columns for itself. At these sizes that takes a few per cent of the
 * time, and what is packed stays in the second-level cache.
 */
const LEAST_ROWS = 96;
const LEAST_COLUMNS = 96;
const MOST_ROWS = 516;
const MOST_COLUMNS = 256;

/**
 * Cuts `batch` products of [m, k] by [k, n].
 *
 * @param mostRows larger where columns are dear to pack
 */
export function cutProduct(
  batch: number,
  m: number,
  n: number,
  k: number,
  { mostRows = MOST_ROWS, leastRows = LEAST_ROWS } = {},
): Tiles {
  const wanted = Math.min(WANTED, Math.floor((2 * batch * m * n * k) / LEAST_WORK));
  const perItem = Math.ceil(wanted / batch);
  let alongM = Math.ceil(m / mostRows);
  let alongN = Math.max(
    Math.ceil(n / MOST_COLUMNS),
    Math.min(Math.ceil(perItem / alongM), Math.floor(n / LEAST_COLUMNS)),
    1,
  );
  if (alongM * alongN < perItem) {
    alongM = Math.max(alongM, Math.min(Math.ceil(perItem / alongN), Math.floor(m / leastRows)));
  }
  const rows = roundUp(Math.ceil(m / alongM), ROW_STEP);
  const columns = roundUp(Math.ceil(n / alongN), COLUMN_STEP);
  alongM = Math.ceil(m / rows);
  alongN = Math.ceil(n / columns);
  return { rows, columns, alongM, alongN, chunks: batch * alongM * alongN };
}

function roundUp(value: number, step: number): number {
  return step * Math.ceil(value / step);
}
