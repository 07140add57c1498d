// Rounding error of float32 dot products, the measured basis of the tolerances in
// docs/tolerances.md. Sums run in sequence, which is the worst order; TF32 rounds the inputs of each
// product to 10 explicit mantissa bits, to nearest, ties to even.
//
//   node benchmarks/rounding.mjs
const U = 2 ** -24;
const LENGTHS = [16, 128, 1152, 4608];
const TRIALS = 300;

/** mulberry32: small, seeded, good enough for test data. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const uniform = generator(20240817);
const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
const classes = {
  'N(0, 1)': () => normal,
  'uniform on (0, 1)': () => uniform,
  'one constant repeated': () => {
    const constant = uniform();
    return () => constant;
  },
};

const bits = new Uint32Array(1);
const asFloat = new Float32Array(bits.buffer);
function tf32(x) {
  asFloat[0] = x;
  bits[0] = (bits[0] + 0xfff + ((bits[0] >>> 13) & 1)) & ~0x1fff;
  return asFloat[0];
}
const identity = (x) => x;

/** Worst |error| / sum |a b| in units of u, and the NMSE, over TRIALS dot products of length K. */
function measure(draw, K, round) {
  let worst = 0;
  let errorPower = 0;
  let power = 0;
  for (let trial = 0; trial < TRIALS; trial++) {
    const [left, right] = [draw(), draw()];
    let single = 0;
    let exact = 0;
    let magnitude = 0;
    for (let i = 0; i < K; i++) {
      const a = Math.fround(left());
      const b = Math.fround(right());
      exact += a * b;
      magnitude += Math.abs(a * b);
      single = Math.fround(single + Math.fround(round(a) * round(b)));
    }
    const error = Math.abs(single - exact);
    worst = Math.max(worst, error / magnitude / U);
    errorPower += error ** 2;
    power += exact ** 2;
  }
  return { worst, nmse: errorPower / power };
}

const show = (x) => (x < 100 ? x.toFixed(1) : x.toFixed(0));
console.log(`| data | ${LENGTHS.map((K) => `K = ${K}`).join(' | ')} |`);
console.log(`|---|${LENGTHS.map(() => '---:|').join('')}`);
const errors = { float32: [], TF32: [] };
for (const [name, draw] of Object.entries(classes)) {
  const cells = LENGTHS.map((K) => {
    const plain = measure(draw, K, identity);
    const rounded = measure(draw, K, tf32);
    if (name === 'N(0, 1)') {
      errors.float32.push(plain.nmse);
      errors.TF32.push(rounded.nmse);
    }
    return `${show(plain.worst)} / ${show(rounded.worst)}`;
  });
  console.log(`| ${name} | ${cells.join(' | ')} |`);
}
for (const [name, values] of Object.entries(errors)) {
  console.log(
    `| NMSE of N(0, 1), ${name} | ${values.map((x) => x.toExponential(1)).join(' | ')} |`,
  );
}
