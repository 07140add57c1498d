/** Images are in [-1, 1]. */
const PEAK = 2;
/** Decibels that every picture must reach against the reference's. */
export const LEAST_PSNR = 40;
/**
 * Two codewords are equally near where the exact squared distances differ by no more than float32
 * can tell: each is a sum of at most 2 d rounded terms of differences of numbers up to `scale`.
 */
const tie = (d, scale) => 2 * d * 2 ** -24 * scale;
/**
 * The block error of each step against the reference's, relative. `first`: before any update, where only
 * assignments can differ, one in some thousands, whose output errors are equal to float32; measured 4e-4
 * at most. `later`: RMSprop moves a parameter by about the rate however small its gradient is, so that
 * the sign of a gradient which is only rounding decides where it goes; measured 6e-3 at most.
 */
export const LOSS_MARGIN = { first: 1e-3, later: 1e-2 };

/**
 * One row for each backend, measured against the reference.
 *
 * @param outcomes by backend: `value` of quantize in work.mjs, and `images` by the artefact's backend
 */
export function compare(problem, outcomes) {
  const reference = outcomes.get('reference');
  return [...outcomes].map(([backend, outcome]) => {
    const { value, images, seconds, drawSeconds } = outcome;
    const nearest = compareNearest(problem, value.nearest);
    const assigned = compareAssignments(reference.value.artefact, value.artefact);
    const [firstLoss, ...laterLosses] = value.losses.map((loss, i) =>
      Math.abs(loss / reference.value.losses[i] - 1),
    );
    const lossDifference = { first: firstLoss, later: Math.max(...laterLosses) };
    const psnrs = [...images].map(([from, x]) => psnr(reference.images.get(from), x));
    const psnrOfAll = Math.min(...psnrs);
    const own = psnr(reference.images.get('reference'), reference.images.get(backend));
    return {
      backend,
      device: value.device,
      nearestDiffers: nearest.differs,
      nearestWrong: nearest.wrong,
      assignmentsDiffer: assigned,
      lossDifference,
      worstPsnr: finite(psnrOfAll),
      artefactPsnr: finite(own),
      seconds: Math.round(seconds),
      drawSeconds: Math.round(drawSeconds),
      losses: value.losses,
      isEquivalent:
        nearest.wrong === 0 &&
        lossDifference.first <= LOSS_MARGIN.first &&
        lossDifference.later <= LOSS_MARGIN.later &&
        psnrOfAll >= LEAST_PSNR,
    };
  });
}

/** Equal pictures have no finite PSNR. */
const finite = (decibels) => (Number.isFinite(decibels) ? Number(decibels.toFixed(1)) : 'equal');

/** Codes that differ from the exact ones, and those among them that are no tie. */
function compareNearest({ layers, tensors }, nearest) {
  let differs = 0;
  let wrong = 0;
  for (const { name, groups, k, d, codebook, codes } of layers) {
    const { data } = tensors[`${name}.weight`];
    const perGroup = codes.length / groups;
    const got = nearest[name];
    for (let i = 0; i < codes.length; i++) {
      const base = Math.floor(i / perGroup) * k;
      const exact = nearestExact(data, i * d, codebook, base, k, d);
      if (got[i] === exact.code) continue;
      differs++;
      const distance = squaredDistance(data, i * d, codebook, (base + got[i]) * d, d);
      if (distance - exact.distance > tie(d, exact.scale)) wrong++;
    }
  }
  return { differs, wrong };
}

function nearestExact(data, at, codebook, base, k, d) {
  let best = Number.POSITIVE_INFINITY;
  let code = 0;
  for (let j = 0; j < k; j++) {
    const distance = squaredDistance(data, at, codebook, (base + j) * d, d);
    if (distance < best) {
      best = distance;
      code = j;
    }
  }
  return { code, distance: best, scale: best + squaredNorm(data, at, d) };
}

function squaredDistance(a, i, b, j, d) {
  let sum = 0;
  for (let axis = 0; axis < d; axis++) sum += (a[i + axis] - b[j + axis]) ** 2;
  return sum;
}

function squaredNorm(a, i, d) {
  let sum = 0;
  for (let axis = 0; axis < d; axis++) sum += a[i + axis] ** 2;
  return sum;
}

/** The share of sub-vectors whose assignment after calibration is another one. */
function compareAssignments(expected, artefact) {
  let differ = 0;
  let all = 0;
  for (const [i, { codes }] of artefact.entries()) {
    for (let j = 0; j < codes.length; j++) if (codes[j] !== expected[i].codes[j]) differ++;
    all += codes.length;
  }
  return differ / all;
}

/** Of two sets of images with values in [-1, 1], over all pixels. */
function psnr(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return 10 * Math.log10(PEAK ** 2 / (sum / a.length));
}
