import type { TensorInfo, Tf } from '../../src/index.ts';

/** The 11 significant bits of TF32, to nearest, ties to even: Veltkamp's splitting in float32. */
const SPLIT = 2 ** 13 + 1;

/**
 * A TensorFlow.js whose products round their inputs to TF32 first, as CUDA's do on GPUs from Ampere
 * on unless that is switched off. The rest is the original.
 */
export function withRoundedProducts(tf: Tf): Tf {
  type Engine = ReturnType<Tf['engine']>;
  const engine = tf.engine();
  const run = engine.runKernel.bind(engine) as (
    name: string,
    inputs: Record<string, TensorInfo>,
    attrs?: object,
  ) => TensorInfo;
  const free = (x: TensorInfo) => (x as unknown as { dispose(): void }).dispose();
  const round = (x: TensorInfo): TensorInfo => {
    const split = engine.makeTensor(Float32Array.of(SPLIT), [], 'float32') as TensorInfo;
    const spread = run('Multiply', { a: x, b: split });
    const low = run('Sub', { a: spread, b: x });
    const high = run('Sub', { a: spread, b: low });
    // Infinity minus infinity is NaN; the hardware keeps it.
    const finite = run('IsFinite', { x });
    const rounded = run('Select', { condition: finite, t: high, e: x });
    for (const made of [split, spread, low, high, finite]) free(made);
    return rounded;
  };
  const roundedRun: typeof run = (name, inputs, attrs) => {
    if (name !== 'BatchMatMul') return run(name, inputs, attrs);
    const [a, b] = [round(inputs.a!), round(inputs.b!)];
    const out = run(name, { a, b }, attrs);
    for (const made of [a, b]) free(made);
    return out;
  };
  const proxy = new Proxy(engine, {
    get: (target, key) => {
      if (key === 'runKernel') return roundedRun;
      const value = Reflect.get(target, key) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  }) as Engine;
  return { ...tf, engine: () => proxy };
}
