import { type HostMemory, type Kernel, type TfDevice, type Work, withWork } from './device.ts';
import type { TensorInfo } from './tf.ts';

/*
 * The wasm kernel `BatchMatMul` uses XNNPACK (about 25 GFLOP/s on one thread) only for a single
 * product of matrices that are not transposed; everything else goes through a plain loop (about
 * 2 GFLOP/s). XNNPACK first packs its right operand, and keeps the packed copy until that operand
 * is freed. So operands are transposed by a kernel of their own, batches are taken apart, and of
 * the ways to say one product the cheapest is taken, by these costs in ns. They were measured on
 * one thread of an x64 server with Node 20, at the shapes of DiT-S to DiT-XL.
 */
const PLAIN_MULTIPLY_ADD = 1;
const FAST_MULTIPLY_ADD = 0.08;
/** Where the packed operand, read again for every few rows, does not stay in the cache. */
const UNCACHED_MULTIPLY_ADD = 0.15;
const CACHE_BYTES = 6 * 2 ** 20;
/** Per element of the right operand. */
const PACK = 6;
const TRANSPOSE = 2;
/** Per product: calling, and making an XNNPACK operator. */
const PRODUCT = 50_000;

/** XNNPACK's product of [m, k] and [k, n]; it works on eight columns at a time. */
function fastCost(m: number, k: number, n: number): number {
  const columns = Math.ceil(n / 8) * 8;
  const multiplyAdd = 4 * k * columns > CACHE_BYTES ? UNCACHED_MULTIPLY_ADD : FAST_MULTIPLY_ADD;
  return m * k * columns * multiplyAdd + PRODUCT;
}

interface Entry {
  uses: number;
  transposed?: TensorInfo;
}

/** Matrix products for the wasm backend. */
export class WasmMatmul {
  private readonly device: TfDevice;
  private readonly host: HostMemory;
  private readonly cacheLimit: number;
  private cachedBytes = 0;
  /** Right operands by their data, to find those that are used again: the weights of a model. */
  private readonly entries = new Map<object, Entry>();
  /** Columns with which the data was packed by XNNPACK. */
  private readonly packed = new WeakMap<object, number>();

  /** `cacheBytes` limits the transposed copies that are kept. */
  constructor(device: TfDevice, host: HostMemory, cacheBytes: number) {
    this.device = device;
    this.host = host;
    this.cacheLimit = cacheBytes;
  }

  /** To be called before `x` is freed. */
  forget(x: TensorInfo): void {
    const entry = this.entries.get(x.dataId);
    if (entry === undefined) return;
    this.entries.delete(x.dataId);
    if (entry.transposed) {
      this.cachedBytes -= bytesOf(entry.transposed);
      this.device.free(entry.transposed);
    }
  }

  forgetAll(): void {
    for (const dataId of [...this.entries.keys()]) {
      this.forget({ dataId, shape: [], dtype: 'float32' });
    }
  }

  run(a: Kernel, b: Kernel, transposeA: boolean, transposeB: boolean): TensorInfo {
    const [batch, rowsA, colsA] = a.shape as [number, number, number];
    const n = transposeB ? b.shape[1]! : b.shape[2]!;
    const [m, k] = transposeA ? [colsA, rowsA] : [rowsA, colsA];
    return withWork(this.device, (w) => {
      const inputs = { a: w.input(a), b: w.input(b) };
      const plain = m * k * n * PLAIN_MULTIPLY_ADD;
      const flipA = transposeA ? m * k * TRANSPOSE : 0;
      const flipB = transposeB ? k * n * TRANSPOSE : 0;
      const direct = fastCost(m, k, n) + k * n * PACK + flipA + flipB;
      // C^T = B^T A^T packs the left operand instead: better where that one is smaller.
      const turned = (m * k + k * n + m * n) * TRANSPOSE - flipA - flipB;
      const swapped = batch === 1 ? fastCost(n, k, m) + m * k * PACK + turned : Infinity;
      const best = Math.min(plain, direct, swapped);
      const kept =
        batch === 1 && transposeB && fastCost(m, k, n) + flipA < best
          ? this.kept(b, inputs.b)
          : undefined;
      if (!kept && plain === best) {
        return w.run('BatchMatMul', inputs, { transposeA, transposeB });
      }
      if (!kept && swapped === best) {
        const left = flip(w, inputs.b, !transposeB);
        const product = this.multiply(w, left, flip(w, inputs.a, !transposeA)); // [N, M]
        return flip(w, product, true);
      }
      const left = flip(w, inputs.a, transposeA);
      const right = kept ?? flip(w, inputs.b, transposeB);
      return batch === 1 ? this.multiply(w, left, right) : this.each(left, right, batch, m, k, n);
    });
  }

  /** One product with XNNPACK; a [1, M, K], b [1, K, N]. */
  private multiply(w: Work, a: TensorInfo, b: TensorInfo): TensorInfo {
    const columns = b.shape[2]!;
    const before = this.packed.get(b.dataId);
    if (before !== undefined && before !== columns) {
      // The kernel finds its packed copy by the data alone and would take the one of another shape.
      const copy = w.upload(this.host.values(b).slice(), b.shape, 'float32');
      return w.run('BatchMatMul', { a, b: copy }, NOT_TRANSPOSED);
    }
    this.packed.set(b.dataId, columns);
    return w.run('BatchMatMul', { a, b }, NOT_TRANSPOSED);
  }

  /** The kept transposed copy of `b`; made when `b` is used for the second time. */
  private kept(b: Kernel, info: TensorInfo): TensorInfo | undefined {
    const { dataId } = b.handle;
    let entry = this.entries.get(dataId);
    if (entry === undefined) {
      entry = { uses: 0 };
      this.entries.set(dataId, entry);
    }
    entry.uses++;
    if (entry.transposed) {
      // The same data in another shape is another matrix.
      return entry.transposed.shape[2] === info.shape[1] ? entry.transposed : undefined;
    }
    if (entry.uses < 2 || this.cachedBytes + bytesOf(info) > this.cacheLimit) return undefined;
    entry.transposed = this.device.run('Transpose', { x: info }, { perm: [0, 2, 1] });
    this.cachedBytes += bytesOf(entry.transposed);
    return entry.transposed;
  }

  /** One product after the other; a [B, M, K], b [B, K, N]. */
  private each(
    a: TensorInfo,
    b: TensorInfo,
    batch: number,
    m: number,
    k: number,
    n: number,
  ): TensorInfo {
    const { host, device } = this;
    const out = host.allocate([batch, m, n], 'float32');
    const left = host.allocate([1, m, k], 'float32');
    try {
      for (let i = 0; i < batch; i++) {
        // A new right operand each time: XNNPACK takes a tensor that it has seen for packed.
        const right = host.allocate([1, k, n], 'float32');
        host.values(left).set(host.values(a).subarray(i * m * k, (i + 1) * m * k));
        host.values(right).set(host.values(b).subarray(i * k * n, (i + 1) * k * n));
        const product = device.run('BatchMatMul', { a: left, b: right }, NOT_TRANSPOSED);
        host.values(out).set(host.values(product), i * m * n);
        device.free(product);
        device.free(right);
      }
    } finally {
      device.free(left);
    }
    return out;
  }
}

const NOT_TRANSPOSED = { transposeA: false, transposeB: false };

function flip(w: Work, x: TensorInfo, wanted: boolean): TensorInfo {
  return wanted ? w.run('Transpose', { x }, { perm: [0, 2, 1] }) : x;
}

function bytesOf(x: TensorInfo): number {
  return 4 * x.shape.reduce((a, b) => a * b, 1);
}
