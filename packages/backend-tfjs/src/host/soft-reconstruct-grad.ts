import type { HostMemory, Kernel } from '../device.ts';
import type { HostValues, TensorInfo } from '../tf.ts';

/**
 * Gradients of the soft reconstruction, given grad [N, d]: for the codebook [k, d], summed in
 * float64 because a codeword has thousands of sub-vectors, and for the ratios [N, n].
 */
export function softReconstructGradLoop(
  host: HostMemory,
  codebook: Kernel,
  candidates: Kernel,
  ratios: Kernel,
  grad: Kernel,
): { codebook: TensorInfo; ratios: TensorInfo } {
  const [k, d] = codebook.shape as [number, number];
  const [rows, n] = candidates.shape as [number, number];
  const codebookInfo = host.allocate([k, d], 'float32');
  const ratiosInfo = host.allocate([rows, n], 'float32');
  const out = host.values(ratiosInfo);
  const sums = new Float64Array(k * d);
  const c = host.values(codebook.handle);
  const index = host.values(candidates.handle);
  const r = host.values(ratios.handle);
  const g = host.values(grad.handle);
  if (d === 4) grad4(c, index, r, g, n, sums, out);
  else if (d === 2) grad2(c, index, r, g, n, sums, out);
  else gradAny(c, index, r, g, n, d, sums, out);
  host.values(codebookInfo).set(sums);
  return { codebook: codebookInfo, ratios: ratiosInfo };
}

function grad4(
  c: HostValues,
  index: HostValues,
  r: HostValues,
  g: HostValues,
  n: number,
  sums: Float64Array,
  out: HostValues,
): void {
  for (let at = 0, i = 0; at < g.length; at += 4) {
    const g0 = g[at]!;
    const g1 = g[at + 1]!;
    const g2 = g[at + 2]!;
    const g3 = g[at + 3]!;
    for (let j = 0; j < n; j++, i++) {
      const a = index[i]! * 4;
      const ratio = r[i]!;
      sums[a]! += ratio * g0;
      sums[a + 1]! += ratio * g1;
      sums[a + 2]! += ratio * g2;
      sums[a + 3]! += ratio * g3;
      out[i] = c[a]! * g0 + c[a + 1]! * g1 + c[a + 2]! * g2 + c[a + 3]! * g3;
    }
  }
}

function grad2(
  c: HostValues,
  index: HostValues,
  r: HostValues,
  g: HostValues,
  n: number,
  sums: Float64Array,
  out: HostValues,
): void {
  for (let at = 0, i = 0; at < g.length; at += 2) {
    const g0 = g[at]!;
    const g1 = g[at + 1]!;
    for (let j = 0; j < n; j++, i++) {
      const a = index[i]! * 2;
      const ratio = r[i]!;
      sums[a]! += ratio * g0;
      sums[a + 1]! += ratio * g1;
      out[i] = c[a]! * g0 + c[a + 1]! * g1;
    }
  }
}

function gradAny(
  c: HostValues,
  index: HostValues,
  r: HostValues,
  g: HostValues,
  n: number,
  d: number,
  sums: Float64Array,
  out: HostValues,
): void {
  for (let at = 0, first = 0; at < g.length; at += d, first += n) {
    for (let j = first; j < first + n; j++) {
      const a = index[j]! * d;
      const ratio = r[j]!;
      let product = 0;
      for (let l = 0; l < d; l++) {
        const slope = g[at + l]!;
        sums[a + l]! += ratio * slope;
        product += c[a + l]! * slope;
      }
      out[j] = product;
    }
  }
}
