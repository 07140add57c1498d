import type { GlslType, Signature } from './glsl.ts';

/** Arguments of a kernel, in the order of a call. */
export type ProgramArgs = Readonly<Record<string, 'texture' | 'int' | 'float'>>;

/**
 * A kernel as gpu.js takes it, in text: gpu.js translates a function's source, and the source of a
 * real function is not what was written once a minifier or a coverage tool has seen it.
 */
export interface ProgramSource {
  readonly args: ProgramArgs;
  /** Statements in JavaScript; returns the four elements of one texel. */
  readonly body: string;
  /** GLSL of its own, for what JavaScript cannot say. */
  readonly glsl?: string;
  /** Functions of `glsl` that the body calls. */
  readonly functions?: Readonly<Record<string, Signature>>;
}

/** The number of the texel that a kernel computes; JavaScript kernels begin with it. */
export const TEXEL = 'const i = this.thread.x + this.thread.y * this.output.x;';

/*
 * gpu.js keeps whole numbers in float32, which is exact up to 2^24: enough for numbers of texels, not
 * for numbers of elements. Kernels that count elements are therefore written in GLSL.
 */

/**
 * A kernel that computes single elements: `statements` in GLSL return element number `e`. Textures
 * are read by `at(name, element)` and `texel(name, number)`.
 */
export function elementSource(args: ProgramArgs, statements: string, glsl = ''): ProgramSource {
  const lines = `int e = 4 * i + lane;\n${statements}`;
  const ids = Object.keys(args).join(', ');
  const calls = [0, 1, 2, 3].map((lane) => `element(${ids}, i, ${lane})`);
  return {
    args,
    glsl: `${glsl}\n${glslFunction('float element', { ...args, i: 'int', lane: 'int' }, lines)}`,
    functions: { element: ['float', ...Object.values(args), 'int', 'int'] },
    body: `${TEXEL} return [${calls.join(', ')}];`,
  };
}

/** The same for a whole texel: `statements` return the vec4 number `i`. */
export function texelSource(args: ProgramArgs, statements: string, glsl = ''): ProgramSource {
  return {
    args,
    glsl: `${glsl}\n${glslFunction('vec4 whole4', { ...args, i: 'int' }, statements)}`,
    functions: { whole4: ['vec4', ...Object.values(args), 'int'] },
    body: `${TEXEL} return whole4(${Object.keys(args).join(', ')}, i);`,
  };
}

/** A texture is three parameters: its sampler, and its sizes as gpu.js passes them. */
function glslFunction(
  head: string,
  args: Readonly<Record<string, GlslType>>,
  statements: string,
): string {
  const parameters = Object.entries(args).map(([id, type]) =>
    type === 'texture' ? `sampler2D ${id}, ivec2 ${id}Size, ivec3 ${id}Dim` : `${type} ${id}`,
  );
  const expanded = statements.replace(/\b(at|texel)\((\w+),/g, '$1($2, $2Size, $2Dim,');
  return `${head}(${parameters.join(', ')}) {\n${expanded}\n}\n`;
}
