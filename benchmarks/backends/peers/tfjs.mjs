import { createRequire } from 'node:module';
import { nativeRequire, productTurn, repeat } from './product.mjs';

const ours = createRequire(new URL('../../../packages/backend-tfjs/x.js', import.meta.url));

/** `tf.matMul` as its users call it, with none of our code between. */
export async function openPlainTfjs(name) {
  const tf = await start(name);
  return {
    device: name === 'node' ? `TensorFlow ${tf.backend().binding.TF_Version}` : tf.getBackend(),
    version: tf.version_core ?? tf.version.tfjs,
    turn: (wanted, milliseconds) =>
      productTurn(wanted, milliseconds, ({ m, k, n, x, w, bias }) => {
        const inputs = [tf.tensor(x, [m, k]), tf.tensor(w, [n, k])];
        if (bias) inputs.push(tf.tensor(bias, [n]));
        const multiply = () =>
          tf.tidy(() => {
            const product = tf.matMul(inputs[0], inputs[1], false, true); // [m, n]
            return bias ? tf.add(product, inputs[2]) : product;
          });
        return {
          async read() {
            const y = multiply();
            const values = await y.data();
            y.dispose();
            return values;
          },
          // These three backends compute within the call; there is nothing to wait for.
          times: (time) => repeat(time, () => multiply().dispose()),
          close: () => tf.dispose(inputs),
        };
      }),
    close() {},
  };
}

async function start(name) {
  if (name === 'node') {
    process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
    // Node 23 removed a function that the package calls.
    const util = ours('node:util');
    util.isNullOrUndefined ??= (value) => value === null || value === undefined;
    return nativeRequire('tfjs-node')('@tensorflow/tfjs-node');
  }
  const tf = ours('@tensorflow/tfjs-core');
  tf.enableProdMode();
  ours(`@tensorflow/tfjs-backend-${name}`);
  await tf.setBackend(name);
  await tf.ready();
  return tf;
}
