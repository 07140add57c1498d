/**
 * GLSL functions that kernels call: gpu.js translates JavaScript, which has no vectors, no samplers
 * and no integer division. WebGL 1 and 2 differ in how a texel is fetched and how NaN is recognised.
 */

/** Argument and result types as gpu.js names them. */
const TYPES = {
  texture: 'ArrayTexture(4)',
  int: 'Integer',
  float: 'Number',
  vec4: 'Array(4)',
} as const;

/** Types of values in shaders. */
export type GlslType = keyof typeof TYPES;

/** gpu.js's name of a type. */
export const gpuType = (type: GlslType): string => TYPES[type];

/** Result and argument types of a GLSL function. */
export type Signature = readonly [result: GlslType, ...args: readonly GlslType[]];

/** Functions that every kernel may call. */
export const LIBRARY: Readonly<Record<string, Signature>> = {
  texel: ['vec4', 'texture', 'int'],
  at: ['float', 'texture', 'int'],
  idiv: ['int', 'int', 'int'],
  least: ['int', 'int', 'int'],
  whole: ['int', 'float'],
  dot4: ['float', 'vec4', 'vec4'],
  add4: ['vec4', 'vec4', 'vec4'],
  madd4: ['vec4', 'vec4', 'vec4', 'float'],
  splat4: ['vec4', 'float'],
  sum4: ['float', 'vec4'],
  max4: ['float', 'vec4'],
  sqdist4: ['float', 'vec4', 'vec4'],
  larger: ['float', 'float', 'float'],
  isNumber: ['int', 'float'],
  expOf: ['float', 'float'],
};

/**
 * Row and column of a texel by exact arithmetic: widths are powers of two and texel numbers below
 * 2^24. The column is a difference of integers, because compilers add 0.5 to a float32 number of a
 * texel before they subtract. NaN: Mesa folds a chain of `<`, `>` and `==` to "never"; other drivers may fold either of the
 * two tests here. The device checks once that NaN is found.
 */
const WEBGL1 = `
bool isNan(float x) { return x != x || !(abs(x) >= 0.0); }
float nanOf(float x) { return (x - x) / (x - x); }
vec4 texel(sampler2D t, ivec2 size, ivec3 dim, int i) {
  int y = int(floor(float(i) / float(size.x)));
  vec2 cell = vec2(float(i - y * size.x), float(y)) + 0.5;
  return texture2D(t, cell / vec2(size));
}
`;

const WEBGL2 = `
bool isNan(float x) { return (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u; }
float nanOf(float x) { return uintBitsToFloat(0x7fc00000u); }
vec4 texel(sampler2D t, ivec2 size, ivec3 dim, int i) {
  return texelFetch(t, ivec2(i & (size.x - 1), int(floor(float(i) / float(size.x)))), 0);
}
`;

const COMMON = `
const int FOREVER = 67108864;
#define LOOP(k, from, to) for (int step = 0; step < FOREVER; step++) { int k = (from) + step; if (k >= (to)) break;
float pick(vec4 v, int lane) {
  return lane < 2 ? (lane == 0 ? v.x : v.y) : (lane == 2 ? v.z : v.w);
}
float at(sampler2D t, ivec2 size, ivec3 dim, int e) {
  int i = e / 4;
  return pick(texel(t, size, dim, i), e - 4 * i);
}
int idiv(int a, int b) { return a / b; }
int least(int a, int b) { return a < b ? a : b; }
int whole(float x) { return int(floor(x + 0.5)); }
float dot4(vec4 a, vec4 b) { return dot(a, b); }
vec4 add4(vec4 a, vec4 b) { return a + b; }
vec4 madd4(vec4 a, vec4 b, float s) { return a + b * s; }
vec4 splat4(float s) { return vec4(s); }
float sum4(vec4 v) { return (v.x + v.y) + (v.z + v.w); }
float sqdist4(vec4 a, vec4 b) { vec4 c = a - b; return dot(c, c); }
float larger(float a, float b) { return isNan(a) ? a : (isNan(b) ? b : (a > b ? a : b)); }
float max4(vec4 v) { return larger(larger(v.x, v.y), larger(v.z, v.w)); }
int isNumber(float x) { return isNan(x) ? 0 : 1; }
bool isInfinite(float x) { return abs(x) > 3.4028235e38; }
float expOf(float x) {
  if (isNan(x)) return x;
  return x > 88.8 ? x * 1e38 : (x < -104.0 ? 0.0 : exp(x));
}
float sigmoidOf(float x) { return 1.0 / (1.0 + expOf(-x)); }
`;

/** The functions of {@link LIBRARY} and those they need. */
export function librarySource(webgl: 1 | 2): string {
  return (webgl === 1 ? WEBGL1 : WEBGL2) + COMMON;
}
