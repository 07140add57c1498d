import type { Tensor, TensorOps } from '@vq4dit/core';

/**
 * An image of many channels, stored as bands of rows, so that no operation needs a whole one at
 * once and what has been used can be freed band by band. At 512 x 512 pixels and 256 channels a
 * whole one is 268 MB.
 */
export class FeatureMap {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** From the top; each holds whole rows, [rows width, channels]. */
  private readonly bands: Band[] = [];
  private filled = 0;

  constructor(height: number, width: number, channels: number) {
    this.height = height;
    this.width = width;
    this.channels = channels;
  }

  /** Adds the next rows; the map takes the tensor over. */
  append(values: Tensor): void {
    const rows = values.shape[0]! / this.width;
    this.bands.push({ first: this.filled, rows, values });
    this.filled += rows;
  }

  /** The bands that have not been freed, from the top. */
  tensors(): Tensor[] {
    return this.bands.map((band) => band.values);
  }

  /** Rows `from` to `to` (exclusive) as a new tensor [(to - from) width, channels]. */
  rows(ops: TensorOps, from: number, to: number): Tensor {
    const { width, channels } = this;
    return ops.scope((s) => {
      const parts: Tensor[] = [];
      for (const { first, rows, values } of this.bands) {
        const [begin, end] = [Math.max(from, first), Math.min(to, first + rows)];
        if (begin >= end) continue;
        const whole = end - begin === rows;
        const size = [(end - begin) * width, channels];
        parts.push(whole ? values : s.slice(values, [(begin - first) * width, 0], size));
      }
      return s.concat(parts, 0);
    });
  }

  /** Frees the bands that lie wholly above a row. */
  freeAbove(row: number): void {
    while (this.bands.length > 0 && this.bands[0]!.first + this.bands[0]!.rows <= row) {
      this.bands.shift()!.values.dispose();
    }
  }

  /** Frees what is left. */
  dispose(): void {
    this.freeAbove(this.height);
  }
}

interface Band {
  readonly first: number;
  readonly rows: number;
  readonly values: Tensor;
}
