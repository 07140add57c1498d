import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { fills, texelsOf } from '../layout.ts';
import { elementSource, type ProgramSource, TEXEL } from '../source.ts';
import type { Input } from '../tensor.ts';
import { matrix } from './movement.ts';
import { scatter } from './rows.ts';

/** codebook [k, d], candidates and ratios [N, n] -> sum_j ratios_j codebook[candidate_j], [N, d]. */
export function softReconstruct(
  device: GlDevice,
  codebook: Input,
  candidates: Input,
  ratios: Input,
): GpuTexture {
  const [rows, n] = matrix(candidates.shape);
  const d = codebook.shape[1]!;
  const kind = fills(d) ? 'texels' : 'elements';
  const textures = [codebook, candidates, ratios].map((x) => x.handle.low);
  const args = [...textures, n, fills(d) ? d / 4 : d];
  const name = `softReconstruct.${kind}`;
  return device.run(name, () => RECONSTRUCT[kind], texelsOf(rows * d), args);
}

const ARGS = {
  codebook: 'texture',
  candidates: 'texture',
  ratios: 'texture',
  n: 'int',
  d: 'int',
} as const;

const RECONSTRUCT: Readonly<Record<'texels' | 'elements', ProgramSource>> = {
  texels: {
    args: ARGS,
    body: `${TEXEL}
      const row = idiv(i, d);
      const column = i - row * d;
      let r = splat4(0.0);
      for (let j = 0; j < n; j++) {
        const word = whole(at(candidates, row * n + j));
        r = madd4(r, texel(codebook, word * d + column), at(ratios, row * n + j));
      }
      return r;`,
  },
  elements: elementSource(
    ARGS,
    `
    int row = e / d;
    int column = e - row * d;
    float sum = 0.0;
    LOOP(j, row * n, row * n + n)
      sum += at(codebook, whole(at(candidates, j)) * d + column) * at(ratios, j);
    }
    return sum;`,
  ),
};

/** Gradients for codebook [k, d] and ratios [N, n], given grad [N, d]. */
export function softReconstructGrad(
  device: GlDevice,
  codebook: Input,
  candidates: Input,
  ratios: Input,
  grad: Input,
): { codebook: GpuTexture; ratios: GpuTexture } {
  const [rows, n] = matrix(candidates.shape);
  const [k, d] = matrix(codebook.shape);
  const kind = fills(d) ? 'texels' : 'elements';
  const textures = [codebook, candidates, grad].map((x) => x.handle.low);
  const args = [...textures, n, fills(d) ? d / 4 : d];
  const name = `softReconstructGrad.${kind}`;
  return {
    ratios: device.run(name, () => RATIOS_GRAD[kind], texelsOf(rows * n), args),
    codebook: scatter(device, {
      updates: grad.handle.low,
      indices: candidates.handle.low,
      weights: ratios.handle.low,
      count: rows * n,
      share: n,
      d,
      rows: k,
    }),
  };
}

const RATIOS_GRAD: Readonly<Record<'texels' | 'elements', ProgramSource>> = {
  texels: ratiosGradSource('dot(texel(codebook, word + q), texel(grad, row + q))'),
  elements: ratiosGradSource('at(codebook, word + q) * at(grad, row + q)'),
};

function ratiosGradSource(term: string): ProgramSource {
  return elementSource(
    { codebook: 'texture', candidates: 'texture', grad: 'texture', n: 'int', d: 'int' },
    `
    int row = e / n * d;
    int word = whole(at(candidates, e)) * d;
    float sum = 0.0;
    LOOP(q, 0, d)
      sum += ${term};
    }
    return sum;`,
  );
}
