import type { Planes } from './decode-tile.ts';

/** The tiles along one axis of an image. All of them have one length. */
export interface TileAxis {
  /** Where each tile starts. */
  readonly starts: readonly number[];
  readonly length: number;
  /** Length of the axis. */
  readonly size: number;
}

/**
 * Places tiles along an axis: as few as will do, evenly, so that neighbours share at least `overlap`
 * pixels. Where one tile is enough there is one, as long as the axis.
 *
 * @param tile length of a tile, more than `overlap`
 */
export function placeTiles(size: number, tile: number, overlap: number): TileAxis {
  if (tile >= size) return { starts: [0], length: size, size };
  const count = Math.ceil((size - overlap) / (tile - overlap));
  const starts = Array.from({ length: count }, (_, i) =>
    Math.floor((i * (size - tile)) / (count - 1)),
  );
  return { starts, length: tile, size };
}

/** The same tiles on an axis that is `factor` times as fine. */
export function refine({ starts, length, size }: TileAxis, factor: number): TileAxis {
  return { starts: starts.map((at) => at * factor), length: length * factor, size: size * factor };
}

/**
 * How much each pixel of a tile counts: a ramp over what it shares with each neighbour, 1 elsewhere,
 * also at the edges of the image. Divided by the sum over all tiles, so that the weights of a pixel
 * add up to 1.
 *
 * @returns for each tile, [length]
 */
export function blendWeights(axis: TileAxis): Float32Array[] {
  const { starts, length, size } = axis;
  const total = new Float64Array(size);
  const ramps = starts.map((start, i) => {
    const before = i === 0 ? 0 : starts[i - 1]! + length - start;
    const after = i === starts.length - 1 ? 0 : start + length - starts[i + 1]!;
    const ramp = Float64Array.from({ length }, (_, at) =>
      Math.min(
        at < before ? (at + 0.5) / before : 1,
        length - 1 - at < after ? (length - at - 0.5) / after : 1,
      ),
    );
    for (let at = 0; at < length; at++) total[start + at]! += ramp[at]!;
    return ramp;
  });
  return ramps.map((ramp, i) =>
    Float32Array.from(ramp, (value, at) => value / total[starts[i]! + at]!),
  );
}

/** Cuts a tile out of planes [C, rows.size, columns.size]. */
export function cutTile(
  { values, height, width }: Planes,
  top: number,
  left: number,
  rows: number,
  columns: number,
): Planes {
  const channels = values.length / (height * width);
  const out = new Float32Array(channels * rows * columns);
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < rows; y++) {
      const from = (c * height + top + y) * width + left;
      out.set(values.subarray(from, from + columns), (c * rows + y) * columns);
    }
  }
  return { values: out, height: rows, width: columns };
}

/** Adds a tile to planes, each pixel times the weights of its row and of its column. */
export function addTile(
  into: Planes,
  tile: Planes,
  top: number,
  left: number,
  rowWeights: Float32Array,
  columnWeights: Float32Array,
): void {
  const channels = tile.values.length / (tile.height * tile.width);
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < tile.height; y++) {
      const from = (c * tile.height + y) * tile.width;
      const to = (c * into.height + top + y) * into.width + left;
      for (let x = 0; x < tile.width; x++) {
        const weight = rowWeights[y]! * columnWeights[x]!;
        into.values[to + x]! += weight * tile.values[from + x]!;
      }
    }
  }
}
