import type { HostMemory, Kernel } from '../device.ts';
import type { HostValues, TensorInfo } from '../tf.ts';

/** codebook [k, d], candidates int32 [N, n], ratios [N, n] -> sum_j ratios_j codebook[cand_j], [N, d]. */
export function softReconstructLoop(
  host: HostMemory,
  codebook: Kernel,
  candidates: Kernel,
  ratios: Kernel,
): TensorInfo {
  const d = codebook.shape[1]!;
  const [rows, n] = candidates.shape as [number, number];
  const info = host.allocate([rows, d], 'float32');
  const out = host.values(info);
  const c = host.values(codebook.handle);
  const index = host.values(candidates.handle);
  const r = host.values(ratios.handle);
  if (d === 4 && n === 2) pairs4(c, index, r, out);
  else if (d === 4) any4(c, index, r, n, out);
  else if (d === 2) any2(c, index, r, n, out);
  else any(c, index, r, n, d, out);
  return info;
}

function pairs4(c: HostValues, index: HostValues, r: HostValues, out: HostValues): void {
  for (let at = 0, i = 0; at < out.length; at += 4, i += 2) {
    const a = index[i]! * 4;
    const b = index[i + 1]! * 4;
    const ra = r[i]!;
    const rb = r[i + 1]!;
    out[at] = ra * c[a]! + rb * c[b]!;
    out[at + 1] = ra * c[a + 1]! + rb * c[b + 1]!;
    out[at + 2] = ra * c[a + 2]! + rb * c[b + 2]!;
    out[at + 3] = ra * c[a + 3]! + rb * c[b + 3]!;
  }
}

function any4(c: HostValues, index: HostValues, r: HostValues, n: number, out: HostValues): void {
  for (let at = 0, i = 0; at < out.length; at += 4) {
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    for (let j = 0; j < n; j++, i++) {
      const a = index[i]! * 4;
      const ratio = r[i]!;
      s0 += ratio * c[a]!;
      s1 += ratio * c[a + 1]!;
      s2 += ratio * c[a + 2]!;
      s3 += ratio * c[a + 3]!;
    }
    out[at] = s0;
    out[at + 1] = s1;
    out[at + 2] = s2;
    out[at + 3] = s3;
  }
}

function any2(c: HostValues, index: HostValues, r: HostValues, n: number, out: HostValues): void {
  for (let at = 0, i = 0; at < out.length; at += 2) {
    let s0 = 0;
    let s1 = 0;
    for (let j = 0; j < n; j++, i++) {
      const a = index[i]! * 2;
      const ratio = r[i]!;
      s0 += ratio * c[a]!;
      s1 += ratio * c[a + 1]!;
    }
    out[at] = s0;
    out[at + 1] = s1;
  }
}

function any(
  c: HostValues,
  index: HostValues,
  r: HostValues,
  n: number,
  d: number,
  out: HostValues,
): void {
  for (let at = 0, first = 0; at < out.length; at += d, first += n) {
    for (let l = 0; l < d; l++) {
      let sum = 0;
      for (let j = first; j < first + n; j++) sum += r[j]! * c[index[j]! * d + l]!;
      out[at + l] = sum;
    }
  }
}
