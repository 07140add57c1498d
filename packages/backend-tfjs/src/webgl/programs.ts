/**
 * Shaders in place of those TensorFlow.js kernels that are not exact enough on WebGL, by the kernels'
 * names. A body is that of `float f(float a)` or `float f(float a, float b)`; `NAN` and `isnan` are
 * TensorFlow.js's own and hold on WebGL 1 and 2.
 */
export const OWN_KERNELS: Readonly<Record<string, OwnKernel>> = {
  Sin: { inputs: ['x'], body: 'return wave(a, 0.0);', needs: wave() },
  Cos: { inputs: ['x'], body: 'return wave(a, 1.0);', needs: wave() },
  // 1 - exp(-2x) cancels near zero; there the Taylor series is right to 1e-8 of the result.
  Tanh: {
    inputs: ['x'],
    body: `
      if (isnan(a)) return a;
      float size = abs(a);
      if (size < 0.35) {
        float s = a * a;
        float tail = s * (-17.0 / 315.0 + s * (62.0 / 2835.0 + s * (-1382.0 / 155925.0 + s * (21844.0 / 6081075.0))));
        return a + a * (s * (-1.0 / 3.0 + s * (2.0 / 15.0 + tail)));
      }
      float e = size > 44.0 ? 0.0 : exp(-2.0 * size);
      float t = (1.0 - e) / (1.0 + e);
      return a < 0.0 ? -t : t;`,
  },
  // TensorFlow.js gives 1 wherever both sides are equal, also for 0/0 and infinity/infinity.
  RealDiv: {
    inputs: ['a', 'b'],
    body: 'return a == b && (a == 0.0 || isInfinite(a)) ? NAN : a / b;',
  },
};

/** One such kernel: its inputs' names, the function's body and the functions that it calls. */
export interface OwnKernel {
  readonly inputs: readonly string[];
  readonly body: string;
  readonly needs?: string;
}

/** The part of a program's description that TensorFlow.js reads. */
export interface WebGlProgram {
  readonly variableNames: string[];
  readonly outputShape: number[];
  readonly userCode: string;
}

/** The program of a kernel for inputs of these shapes, of equal rank, which are broadcast. */
export function programOf(kernel: OwnKernel, shapes: readonly (readonly number[])[]): WebGlProgram {
  const names = ['A', 'B'].slice(0, shapes.length);
  const args = names.map((name) => `float ${name.toLowerCase()}`).join(', ');
  const values = names.map((name) => `get${name}AtOutCoords()`).join(', ');
  return {
    variableNames: names,
    outputShape: shapes[0]!.map((_, axis) => Math.max(...shapes.map((shape) => shape[axis]!))),
    userCode: `
      bool isInfinite(float x) { return abs(x) > 3.4028235e38; }
      ${kernel.needs ?? ''}
      float f(${args}) {${kernel.body}}
      void main() { setOutput(f(${values})); }`,
  };
}

/**
 * sin(x + quarters pi/2). Graphics standards allow GLSL's own sine an error of 2^-11, and some
 * drivers use it. Here the argument is reduced in three steps (Cody and Waite 1980; the parts of pi/2
 * are short, so that products with them are exact), and the polynomials are those of Cephes.
 */
function wave(): string {
  return `float wave(float x, float quarters) {
    if (isnan(x)) return x;
    if (isInfinite(x)) return NAN;
    float n = floor(x * 0.63661977236758134 + 0.5);
    float r = ((x - n * 1.5703125) - n * 4.837512969970703125e-4) - n * 7.54978995489188216e-8;
    float s = r * r;
    float sine = r + r * s * (-1.6666654611e-1 + s * (8.3321608736e-3 - s * 1.9515295891e-4));
    float cosine = 1.0 - 0.5 * s
      + s * s * (4.166664568298827e-2 + s * (-1.388731625493765e-3 + s * 2.443315711809948e-5));
    float quadrant = n + quarters;
    quadrant -= 4.0 * floor(quadrant / 4.0);
    float size = quadrant == 1.0 || quadrant == 3.0 ? cosine : sine;
    return quadrant >= 2.0 ? -size : size;
  }`;
}
