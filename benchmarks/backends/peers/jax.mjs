import { pathToFileURL } from 'node:url';
import { nativeRequire, productTurn, repeat } from './product.mjs';

/** @jax-js/jax on WebAssembly, compiled by `jit`; its GPU backends need a browser. */
export async function openJax() {
  const require = nativeRequire('peers');
  // It asks the browser for a GPU; Node 20 has no navigator to ask.
  globalThis.navigator ??= {};
  const jax = await import(pathToFileURL(require.resolve('@jax-js/jax')).href);
  await jax.init('wasm');
  jax.defaultDevice('wasm');
  const { numpy } = jax;
  return {
    device: 'wasm',
    turn: (wanted, milliseconds) =>
      productTurn(wanted, milliseconds, ({ m, k, n, x, w, bias }) => {
        const array = (data, shape) => numpy.array(new Float32Array(data), { shape });
        const inputs = [array(x, [m, k]), array(w, [n, k])];
        if (bias) inputs.push(array(bias, [n]));
        const multiply = jax.jit((a, b, c) => {
          const product = numpy.matmul(a, b.transpose()); // [m, n]
          return c ? product.add(c) : product;
        });
        // A call uses its arguments up, so each gets new references.
        const call = () => multiply(...inputs.map((input) => input.ref));
        return {
          read: () => call().data(),
          times: (time) =>
            repeat(time, async () => {
              const y = await jax.blockUntilReady(call());
              y.dispose();
            }),
          close() {
            for (const input of inputs) input.dispose();
            multiply.dispose();
          },
        };
      }),
    close() {},
  };
}
