import { kmeans, lloydStep, nearestCodewords, RandomStream } from '@vq4dit/core';

const ROWS = (4608 * 1152) / 4;
const [K, D, UPDATES] = [256, 4, 5];

/** Sub-vectors [ROWS, D] with N(0, 1) weights, and the codebook [K, D] that everybody starts from. */
function problem() {
  const data = new RandomStream(0, 'k-means').fillNormal(new Float32Array(ROWS * D));
  return { data, start: data.slice(0, K * D) };
}

/** Mean squared error per weight, by one exact search for everybody. */
function distortionOf(data, codebook) {
  const { distances } = nearestCodewords(data, codebook, D);
  return distances.reduce((sum, value) => sum + value, 0) / data.length;
}

/** k-means with the assignment and its sums on a backend; means of codewords in float64 here. */
export async function kmeansOn(ops) {
  const { data, start } = problem();
  const x = ops.tensor(data, [ROWS, D]);
  let codebook = start;
  const began = performance.now();
  for (let update = 0; update < UPDATES; update++) {
    const { sums, counts } = await ops.scope(async (s) => {
      const step = lloydStep(s, x, s.tensor(codebook, [K, D])); // sums [K, D], counts [K]
      return { sums: await s.read(step.sums), counts: await s.read(step.counts) };
    });
    // A codeword without sub-vectors stays; from these starts there is none.
    codebook = codebook.map((old, i) => {
      const count = counts[Math.floor(i / D)];
      return count > 0 ? sums[i] / count : old;
    });
  }
  const seconds = [(performance.now() - began) / 1000];
  x.dispose();
  return { seconds, value: distortionOf(data, codebook) };
}

/** The same updates by core's own k-means, which `quantize` uses: no backend, float64, pruned search. */
export async function kmeansInCore() {
  const { data, start } = problem();
  const options = { data, dimension: D, k: K, codebook: start, tolerance: 0 };
  const began = performance.now();
  const { codebook } = await kmeans({ ...options, maxIterations: UPDATES });
  const seconds = [(performance.now() - began) / 1000];
  return { seconds, value: distortionOf(data, codebook) };
}
