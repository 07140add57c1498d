import type { Recorder, VjpRule } from '../autodiff/rule.ts';
import {
  binaryRules,
  concatRule,
  gatherRowsRule,
  matmulRule,
  permuteRule,
  reduceRules,
  reshapeRule,
  scatterAddRowsRule,
  sliceRule,
  unaryRules,
} from '../autodiff/rules.ts';
import {
  DTypeError,
  IndexError,
  ShapeError,
  TensorLifetimeError,
  UnsupportedOpError,
} from '../errors.ts';
import type {
  Backend,
  BinaryOp,
  FusedKernels,
  KernelTensor,
  OpQuery,
  ReduceOp,
  UnaryOp,
} from './backend.ts';
import type { ComposedOp, OutputSpec } from './composed.ts';
import { Scope } from './scope.ts';
import {
  broadcastShapes,
  checkShape,
  type DType,
  formatShape,
  resolveAxis,
  resolveReshape,
  type Shape,
  sameShape,
  sizeOf,
} from './shape.ts';
import { type IndexRange, Runtime, type Tensor } from './tensor.ts';

/** Options of a `TensorOps` made for a backend. */
export interface TensorOpsOptions {
  /** False: compose everything from the required kernels, also where the backend has a fused one. */
  readonly fused?: boolean;
}

interface Context {
  readonly runtime: Runtime;
  readonly fused: boolean;
  readonly scope: Scope | undefined;
  readonly recorder: Recorder | undefined;
}

/**
 * Tensor operations on one backend. Shapes, dtypes, axes, index ranges and lifetimes are checked
 * here, once, so that a kernel is only called with legal arguments.
 *
 * Tensors made inside {@link TensorOps.scope} are freed at its end; all others belong to the caller.
 */
export class TensorOps {
  private readonly context: Context;

  /** The third argument is internal: scopes and recorders share the runtime of their parent. */
  constructor(backend: Backend, options: TensorOpsOptions = {}, context?: Context) {
    this.context = context ?? {
      runtime: new Runtime(backend),
      fused: options.fused ?? true,
      scope: undefined,
      recorder: undefined,
    };
  }

  private derive(changes: Partial<Context>): TensorOps {
    return new TensorOps(this.backend, {}, { ...this.context, ...changes });
  }

  /** The device that all of this runs on; shared by every scope made from here. */
  get backend(): Backend {
    return this.context.runtime.backend;
  }

  /** Tensors alive on this backend, and the bytes of their buffers. */
  memory(): { readonly liveTensors: number; readonly liveBytes: number } {
    const { liveTensors, liveBytes } = this.context.runtime;
    return { liveTensors, liveBytes };
  }

  // ---------------------------------------------------------------- lifetime

  /**
   * Runs `fn` with operations whose results are freed when it ends, except those reachable from
   * what it returns (a tensor, or arrays, maps and plain objects of tensors). The scope is an
   * object, not a global stack, so `fn` may be async and scopes may interleave.
   */
  scope<T>(fn: (ops: TensorOps) => T): T {
    const scope = new Scope();
    const parent = this.context.scope;
    let result: T;
    try {
      result = fn(this.derive({ scope }));
    } catch (error) {
      scope.end(undefined, parent);
      throw error;
    }
    if (result instanceof Promise) {
      return result.then(
        (value) => {
          scope.end(value, parent);
          return value;
        },
        (error) => {
          scope.end(undefined, parent);
          throw error;
        },
      ) as T;
    }
    scope.end(result, parent);
    return result;
  }

  /** The same backend, not recording. */
  withoutRecording(): TensorOps {
    return this.context.recorder ? this.derive({ recorder: undefined }) : this;
  }

  /** The same backend; every differentiable operation is told to `recorder`. */
  withRecorder(recorder: Recorder): TensorOps {
    return this.derive({ recorder });
  }

  /** Whether an operation on these tensors would be recorded for a gradient. */
  isRecording(...inputs: readonly Tensor[]): boolean {
    const { recorder } = this.context;
    return recorder !== undefined && inputs.some((x) => recorder.isTracked(x));
  }

  /** Whether the backend has its own kernel for a composed operation, and may use it here. */
  hasFused(name: keyof FusedKernels<unknown>): boolean {
    return this.context.fused && this.backend.fused?.[name] !== undefined;
  }

  /** A second tensor over the same buffer, with its own lifetime. */
  alias(x: Tensor): Tensor {
    this.check('alias', x);
    return this.recorded(this.track(this.context.runtime.alias(x)), reshapeRule, [x], undefined);
  }

  // ---------------------------------------------------------------- data in and out

  /** Uploads float32 values. @throws ShapeError if the count does not fit the shape. */
  tensor(values: Float32Array | readonly number[], shape: Shape): Tensor {
    const data = values instanceof Float32Array ? values : Float32Array.from(values);
    return this.upload(data, shape, 'float32');
  }

  /**
   * Uploads int32 values; their range is remembered for later bounds checks.
   *
   * @throws IndexError for a number that is not a 32-bit integer
   */
  indices(values: Int32Array | readonly number[], shape: Shape): Tensor {
    const data = values instanceof Int32Array ? values : Int32Array.from(values);
    const bad = values === data ? undefined : values.find((value, i) => value !== data[i]);
    if (bad !== undefined) throw new IndexError(`indices: ${bad} is not a 32-bit integer.`);
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    for (const value of data) {
      if (value < min) min = value;
      if (value > max) max = value;
    }
    return this.upload(data, shape, 'int32', { min, max });
  }

  private upload(
    data: Float32Array | Int32Array,
    shape: Shape,
    dtype: DType,
    range?: IndexRange,
  ): Tensor {
    checkShape(shape, 'upload');
    if (data.length !== sizeOf(shape)) {
      throw new ShapeError(
        `upload: ${data.length} values do not fill shape ${formatShape(shape)} (${sizeOf(shape)} elements).`,
      );
    }
    this.requireSupport({ op: 'upload', shapes: [shape], dtypes: [dtype] });
    return this.adopt(this.backend.upload(data, shape, dtype), shape, dtype, range);
  }

  /** A tensor of shape []. */
  scalar(value: number): Tensor {
    return this.upload(Float32Array.of(value), [], 'float32');
  }

  /** A float32 tensor that holds `value` everywhere. @throws ShapeError for an illegal shape. */
  fill(shape: Shape, value: number): Tensor {
    checkShape(shape, 'fill');
    return this.upload(new Float32Array(sizeOf(shape)).fill(value), shape, 'float32');
  }

  /** Copies a float32 tensor to the host, waiting for the work that makes it. */
  async read(x: Tensor): Promise<Float32Array> {
    this.check('read', x, 'float32');
    return (await this.backend.read(view(x))) as Float32Array;
  }

  /** Copies an int32 tensor to the host. */
  async readIndices(x: Tensor): Promise<Int32Array> {
    this.check('readIndices', x, 'int32');
    return (await this.backend.read(view(x))) as Int32Array;
  }

  /** The only value of a one-element float32 tensor. */
  async readScalar(x: Tensor): Promise<number> {
    if (sizeOf(x.shape) !== 1) {
      throw new ShapeError(`readScalar: ${formatShape(x.shape)} has more than one element.`);
    }
    return (await this.read(x))[0]!;
  }

  /** Waits for all queued work. */
  sync(): Promise<void> {
    return this.backend.sync();
  }

  // ---------------------------------------------------------------- elementwise

  /** One of `UNARY_OPS`, elementwise. float32 of any shape -> the same shape. */
  unary(op: UnaryOp, x: Tensor): Tensor {
    this.check(op, x, 'float32');
    this.requireSupport({ op: 'unary', shapes: [x.shape], dtypes: [x.dtype] });
    const out = this.backend.kernels.unary(op, view(x));
    return this.emit(out, x.shape, unaryRules[op], [x], undefined);
  }

  /** -x. float32, any shape. */
  neg(x: Tensor): Tensor {
    return this.unary('neg', x);
  }

  /** |x|. float32, any shape; the gradient at 0 is 0. */
  abs(x: Tensor): Tensor {
    return this.unary('abs', x);
  }

  /** -1, 0 or 1, with sign(0) = 0. float32, any shape; the gradient is 0. */
  sign(x: Tensor): Tensor {
    return this.unary('sign', x);
  }

  /** e^x. float32, any shape. */
  exp(x: Tensor): Tensor {
    return this.unary('exp', x);
  }

  /** Natural logarithm. float32, any shape; -infinity at 0, NaN below. */
  log(x: Tensor): Tensor {
    return this.unary('log', x);
  }

  /** Square root. float32, any shape; NaN below 0. */
  sqrt(x: Tensor): Tensor {
    return this.unary('sqrt', x);
  }

  /** x * x. float32, any shape. */
  square(x: Tensor): Tensor {
    return this.unary('square', x);
  }

  /** 1 / x. float32, any shape; infinity at 0. */
  reciprocal(x: Tensor): Tensor {
    return this.unary('reciprocal', x);
  }

  /** Sine of x in radians. float32, any shape. */
  sin(x: Tensor): Tensor {
    return this.unary('sin', x);
  }

  /** Cosine of x in radians. float32, any shape. */
  cos(x: Tensor): Tensor {
    return this.unary('cos', x);
  }

  /** Hyperbolic tangent. float32, any shape. */
  tanh(x: Tensor): Tensor {
    return this.unary('tanh', x);
  }

  /** 1 / (1 + e^-x). float32, any shape. */
  sigmoid(x: Tensor): Tensor {
    return this.unary('sigmoid', x);
  }

  /** Elementwise with NumPy broadcasting. @throws ShapeError if the shapes do not broadcast. */
  binary(op: BinaryOp, a: Tensor, b: Tensor): Tensor {
    this.check(op, a, 'float32');
    this.check(op, b, 'float32');
    const shape = broadcastShapes(a.shape, b.shape, op);
    this.requireSupport({ op: 'binary', shapes: [a.shape, b.shape], dtypes: [a.dtype, b.dtype] });
    const out = this.backend.kernels.binary(op, view(a), view(b), shape);
    return this.emit(out, shape, binaryRules[op], [a, b], undefined);
  }

  /** a + b. float32, broadcast as in {@link TensorOps.binary}. */
  add(a: Tensor, b: Tensor): Tensor {
    return this.binary('add', a, b);
  }

  /** a - b. float32, broadcast. */
  sub(a: Tensor, b: Tensor): Tensor {
    return this.binary('sub', a, b);
  }

  /** a * b, elementwise. float32, broadcast. */
  mul(a: Tensor, b: Tensor): Tensor {
    return this.binary('mul', a, b);
  }

  /** a / b. float32, broadcast; IEEE 754 at b = 0. */
  div(a: Tensor, b: Tensor): Tensor {
    return this.binary('div', a, b);
  }

  /** The larger of a and b; NaN where either is. float32, broadcast; ties halve the gradient. */
  maximum(a: Tensor, b: Tensor): Tensor {
    return this.binary('maximum', a, b);
  }

  /** The smaller of a and b; NaN where either is. float32, broadcast; ties halve the gradient. */
  minimum(a: Tensor, b: Tensor): Tensor {
    return this.binary('minimum', a, b);
  }

  /** 1 where a > b, else 0, also for NaN. float32, broadcast; the gradient is 0. */
  greater(a: Tensor, b: Tensor): Tensor {
    return this.binary('greater', a, b);
  }

  /** Stretches dimensions of size 1. @throws ShapeError */
  broadcastTo(x: Tensor, shape: Shape): Tensor {
    if (sameShape(x.shape, shape)) return this.reshape(x, shape);
    if (!sameShape(broadcastShapes(x.shape, shape, 'broadcastTo'), shape)) {
      throw new ShapeError(
        `broadcastTo: ${formatShape(x.shape)} does not stretch to ${formatShape(shape)}.`,
      );
    }
    return this.scope((s) => s.add(x, s.fill(shape, 0)));
  }

  // ---------------------------------------------------------------- products and reductions

  /**
   * Matrix product over the last two axes: [..., M, K] x [..., K, N] -> [..., M, N]. Leading axes
   * must be equal, or `b` may be a plain matrix shared by all of them.
   */
  matmul(
    a: Tensor,
    b: Tensor,
    { transposeA = false, transposeB = false }: { transposeA?: boolean; transposeB?: boolean } = {},
  ): Tensor {
    this.check('matmul', a, 'float32');
    this.check('matmul', b, 'float32');
    const fail = () =>
      new ShapeError(
        `matmul: ${formatShape(a.shape)}${transposeA ? ' (transposed)' : ''} and ${formatShape(b.shape)}${transposeB ? ' (transposed)' : ''} do not fit together.`,
      );
    if (a.shape.length < 2 || b.shape.length < 2) throw fail();
    const lead = a.shape.slice(0, -2);
    if (lead.length > 0 && b.shape.length === 2 && !transposeA) {
      // One shared matrix: fold the leading axes into the rows.
      return this.scope((s) => {
        const flat = s.reshape(a, [-1, a.shape.at(-1)!]);
        const product = s.matmul(flat, b, { transposeB });
        return s.reshape(product, [...a.shape.slice(0, -1), product.shape[1]!]);
      });
    }
    if (!sameShape(lead, b.shape.slice(0, -2))) throw fail();
    const [rowsA, colsA] = [a.shape.at(-2)!, a.shape.at(-1)!];
    const [rowsB, colsB] = [b.shape.at(-2)!, b.shape.at(-1)!];
    const [m, k] = transposeA ? [colsA, rowsA] : [rowsA, colsA];
    const [kb, n] = transposeB ? [colsB, rowsB] : [rowsB, colsB];
    if (k !== kb) throw fail();
    const batch = sizeOf(lead);
    this.requireSupport({ op: 'matmul', shapes: [a.shape, b.shape], dtypes: [a.dtype, b.dtype] });
    const out = this.backend.kernels.matmul(
      view(a, [batch, rowsA, colsA]),
      view(b, [batch, rowsB, colsB]),
      transposeA,
      transposeB,
    );
    return this.emit(out, [...lead, m, n], matmulRule, [a, b], { transposeA, transposeB });
  }

  /** Reduces one axis. */
  reduce(op: ReduceOp, x: Tensor, axis: number, keepDims = false): Tensor {
    this.check(op, x, 'float32');
    const at = resolveAxis(axis, x.shape.length, op);
    if (keepDims) {
      const kept = x.shape.map((dim, i) => (i === at ? 1 : dim));
      return this.scope((s) => s.reshape(s.reduce(op, x, at), kept));
    }
    const outer = sizeOf(x.shape.slice(0, at));
    const inner = sizeOf(x.shape.slice(at + 1));
    this.requireSupport({ op: 'reduce', shapes: [x.shape], dtypes: [x.dtype] });
    const out = this.backend.kernels.reduce(op, view(x, [outer, x.shape[at]!, inner]));
    const shape = x.shape.filter((_, i) => i !== at);
    return this.emit(out, shape, reduceRules[op], [x], { axis: at });
  }

  /** Sum over one axis, or over everything (-> shape []) if no axis is given. */
  sum(x: Tensor, axis?: number, options: { keepDims?: boolean } = {}): Tensor {
    if (axis === undefined) return this.scope((s) => s.reduce('sum', s.reshape(x, [-1]), 0));
    return this.reduce('sum', x, axis, options.keepDims);
  }

  /** Largest value along one axis, float32. Equal maxima share the gradient evenly. */
  max(x: Tensor, axis: number, options: { keepDims?: boolean } = {}): Tensor {
    return this.reduce('max', x, axis, options.keepDims);
  }

  /** Mean over one axis, or over everything. */
  mean(x: Tensor, axis?: number, options: { keepDims?: boolean } = {}): Tensor {
    const count =
      axis === undefined ? sizeOf(x.shape) : x.shape[resolveAxis(axis, x.shape.length, 'mean')]!;
    return this.scope((s) => s.mul(s.sum(x, axis, options), s.scalar(1 / count)));
  }

  /** Index of the minimum along the last axis (int32); ties to the lowest; NaN never wins. */
  argmin(x: Tensor): Tensor {
    this.check('argmin', x, 'float32');
    const n = x.shape.at(-1);
    if (n === undefined) throw new ShapeError('argmin: a scalar has no axis.');
    const lead = x.shape.slice(0, -1);
    this.requireSupport({ op: 'argmin', shapes: [x.shape], dtypes: [x.dtype] });
    const out = this.backend.kernels.argmin(view(x, [sizeOf(lead), n]));
    return this.adopt(out, lead, 'int32', { min: 0, max: n - 1 });
  }

  /** The n nearest codewords of every row; see `RequiredKernels.nearest`. x [N, d], codebook [k, d]. */
  nearest(x: Tensor, codebook: Tensor, n = 1): { indices: Tensor; distances: Tensor } {
    this.check('nearest', x, 'float32');
    this.check('nearest', codebook, 'float32');
    const [rows, d] = matrixShape(x, 'nearest');
    const [k, dc] = matrixShape(codebook, 'nearest');
    if (d !== dc) {
      throw new ShapeError(`nearest: sub-vectors of length ${d} and codewords of length ${dc}.`);
    }
    if (!Number.isInteger(n) || n < 1 || n > k) {
      throw new ShapeError(`nearest: cannot give the ${n} nearest of ${k} codewords.`);
    }
    const shapes = [x.shape, codebook.shape];
    this.requireSupport({ op: 'nearest', shapes, dtypes: [x.dtype, codebook.dtype] });
    const out = this.backend.kernels.nearest(view(x), view(codebook), n);
    return {
      indices: this.adopt(out.indices, [rows, n], 'int32', { min: 0, max: k - 1 }),
      distances: this.adopt(out.distances, [rows, n], 'float32'),
    };
  }

  // ---------------------------------------------------------------- movement

  /** The same elements under another shape; one dimension may be -1. Free: no data moves. */
  reshape(x: Tensor, shape: Shape): Tensor {
    this.check('reshape', x);
    const resolved = resolveReshape(x.shape, shape, 'reshape');
    const out = this.track(this.context.runtime.alias(x, resolved));
    return this.recorded(out, reshapeRule, [x], undefined);
  }

  /** Output axis i is input axis `axes[i]`. */
  permute(x: Tensor, axes: readonly number[]): Tensor {
    this.check('permute', x);
    const sorted = [...axes].sort((a, b) => a - b);
    if (axes.length !== x.shape.length || sorted.some((axis, i) => axis !== i)) {
      throw new ShapeError(
        `permute: axes [${axes.join(', ')}] do not name each axis of ${formatShape(x.shape)} once.`,
      );
    }
    this.requireSupport({ op: 'permute', shapes: [x.shape], dtypes: [x.dtype] });
    const out = this.backend.kernels.permute(view(x), axes);
    const shape = axes.map((axis) => x.shape[axis]!);
    return this.recorded(this.adopt(out, shape, x.dtype, x.indexRange), permuteRule, [x], { axes });
  }

  /** The block that starts at `begin` and has shape `size`. @throws IndexError if it sticks out. */
  slice(x: Tensor, begin: readonly number[], size: readonly number[]): Tensor {
    this.check('slice', x);
    checkShape(size, 'slice');
    const legal =
      begin.length === x.shape.length &&
      size.length === x.shape.length &&
      begin.every((b, i) => Number.isInteger(b) && b >= 0 && b + size[i]! <= x.shape[i]!);
    if (!legal) {
      throw new IndexError(
        `slice: ${formatShape(size)} at [${begin.join(', ')}] is not inside ${formatShape(x.shape)}.`,
      );
    }
    this.requireSupport({ op: 'slice', shapes: [x.shape], dtypes: [x.dtype] });
    const out = this.backend.kernels.slice(view(x), begin, size);
    return this.recorded(this.adopt(out, size, x.dtype, x.indexRange), sliceRule, [x], { begin });
  }

  /** Joins tensors along one axis; all other dimensions and the dtype must agree. */
  concat(xs: readonly Tensor[], axis: number): Tensor {
    const first = xs[0];
    if (first === undefined) throw new ShapeError('concat: nothing to join.');
    const at = resolveAxis(axis, first.shape.length, 'concat');
    for (const x of xs) {
      this.check('concat', x, first.dtype);
      const fits =
        x.shape.length === first.shape.length &&
        x.shape.every((dim, i) => i === at || dim === first.shape[i]);
      if (!fits) {
        throw new ShapeError(
          `concat: ${formatShape(x.shape)} does not join ${formatShape(first.shape)} along axis ${at}.`,
        );
      }
    }
    if (xs.length === 1) return this.reshape(first, first.shape);
    const shape = first.shape.map((dim, i) =>
      i === at ? xs.reduce((sum, x) => sum + x.shape[at]!, 0) : dim,
    );
    this.requireSupport({
      op: 'concat',
      shapes: xs.map((x) => x.shape),
      dtypes: xs.map((x) => x.dtype),
    });
    const out = this.backend.kernels.concat(
      xs.map((x) => view(x)),
      at,
    );
    const range = xs.map((x) => x.indexRange).reduce(union);
    return this.recorded(this.adopt(out, shape, first.dtype, range), concatRule, xs, { axis: at });
  }

  /** Rows of x [N, d] by int32 indices [M] -> [M, d]. @throws IndexError before anything runs. */
  gatherRows(x: Tensor, indices: Tensor): Tensor {
    this.check('gatherRows', x);
    this.check('gatherRows', indices, 'int32');
    const [rows, d] = matrixShape(x, 'gatherRows');
    const count = vectorLength(indices, 'gatherRows');
    checkIndexRange(indices, rows, 'gatherRows');
    const shapes = [x.shape, indices.shape];
    this.requireSupport({ op: 'gatherRows', shapes, dtypes: [x.dtype, indices.dtype] });
    const out = this.backend.kernels.gatherRows(view(x), view(indices));
    const result = this.adopt(out, [count, d], x.dtype, x.indexRange);
    return this.recorded(result, gatherRowsRule, [x, indices], undefined);
  }

  /** Adds row i of updates [M, d] to row indices[i] of a zero matrix [rows, d]. @throws IndexError */
  scatterAddRows(updates: Tensor, indices: Tensor, rows: number): Tensor {
    this.check('scatterAddRows', updates, 'float32');
    this.check('scatterAddRows', indices, 'int32');
    checkShape([rows], 'scatterAddRows');
    const [count, d] = matrixShape(updates, 'scatterAddRows');
    if (vectorLength(indices, 'scatterAddRows') !== count) {
      throw new ShapeError(
        `scatterAddRows: ${count} rows and ${indices.shape[0]} indices; there must be one each.`,
      );
    }
    checkIndexRange(indices, rows, 'scatterAddRows');
    const shapes = [updates.shape, indices.shape];
    this.requireSupport({ op: 'scatterAddRows', shapes, dtypes: [updates.dtype, indices.dtype] });
    const out = this.backend.kernels.scatterAddRows(view(updates), view(indices), rows);
    return this.emit(out, [rows, d], scatterAddRowsRule, [updates, indices], undefined);
  }

  // ---------------------------------------------------------------- composed operations

  /**
   * Runs a composed operation: by the backend's fused kernel where it has one, else from the
   * required kernels. Either way it is recorded as one step with its own gradient rule.
   */
  composed<A>(op: ComposedOp<A>, inputs: readonly Tensor[], attrs: A): Tensor[] {
    for (const [i, x] of inputs.entries()) this.check(op.name, x, op.dtypes?.[i] ?? 'float32');
    const specs = op.outputs(
      inputs.map((x) => x.shape),
      attrs,
    );
    if (op.rowNumbers) {
      const { input, of } = op.rowNumbers;
      checkIndexRange(inputs[input]!, inputs[of]!.shape[0]!, op.name);
    }
    const outputs = this.fusedOutputs(op, inputs, attrs, specs);
    if (op.rule) this.recorded(outputs[0]!, op.rule, inputs, attrs);
    else if (this.isRecording(...inputs)) {
      throw new UnsupportedOpError(`${op.name} has no gradient rule and cannot be recorded.`);
    }
    return outputs;
  }

  private fusedOutputs<A>(
    op: ComposedOp<A>,
    inputs: readonly Tensor[],
    attrs: A,
    specs: readonly OutputSpec[],
  ): Tensor[] {
    const kernels = this.hasFused(op.name) ? this.backend.fused : undefined;
    const query = {
      op: op.name,
      shapes: inputs.map((x) => x.shape),
      dtypes: inputs.map((x) => x.dtype),
    };
    if (kernels && (this.backend.supports?.(query) ?? true) === true) {
      const handles = op.fused(
        kernels as FusedKernels<unknown>,
        inputs.map((x) => view(x)),
        attrs,
      );
      return handles.map((handle, i) => {
        const { shape, range } = specs[i]!;
        return this.adopt(handle, shape, range ? 'int32' : 'float32', range);
      });
    }
    return this.withoutRecording().scope((ops) => op.compose(ops, inputs, attrs));
  }

  // ---------------------------------------------------------------- internals

  private check(where: string, x: Tensor, dtype?: DType): void {
    x.assertAlive(where);
    if (x.runtime !== this.context.runtime) {
      throw new TensorLifetimeError(
        `${where}: tensor ${x.id} lives on another backend (${x.runtime.backend.id}); read it and upload it here.`,
      );
    }
    if (dtype && x.dtype !== dtype) {
      throw new DTypeError(`${where}: expected ${dtype}, got ${x.dtype}.`);
    }
  }

  private requireSupport(query: OpQuery): void {
    const support = this.backend.supports?.(query) ?? true;
    if (support === true) return;
    const what = query.shapes
      .map((shape, i) => `${query.dtypes[i]}${formatShape(shape)}`)
      .join(', ');
    throw new UnsupportedOpError(
      `${this.backend.id} does not support ${query.op}(${what}): ${support.reason}`,
    );
  }

  private adopt(handle: unknown, shape: Shape, dtype: DType, range?: IndexRange): Tensor {
    return this.track(this.context.runtime.adopt(handle, shape, dtype, range));
  }

  private emit<A>(
    handle: unknown,
    shape: Shape,
    rule: VjpRule<A>,
    inputs: readonly Tensor[],
    attrs: A,
  ): Tensor {
    return this.recorded(this.adopt(handle, shape, 'float32'), rule, inputs, attrs);
  }

  private recorded<A>(out: Tensor, rule: VjpRule<A>, inputs: readonly Tensor[], attrs: A): Tensor {
    const { recorder } = this.context;
    if (recorder && inputs.some((x) => recorder.isTracked(x))) {
      recorder.record(rule, inputs, out, attrs);
    }
    return out;
  }

  private track(tensor: Tensor): Tensor {
    this.context.scope?.track(tensor);
    return tensor;
  }
}

function view(x: Tensor, shape: Shape = x.shape): KernelTensor {
  return { handle: x.storage.handle, shape, dtype: x.dtype };
}

function matrixShape(x: Tensor, where: string): readonly [number, number] {
  if (x.shape.length !== 2) {
    throw new ShapeError(`${where}: expected a matrix, got shape ${formatShape(x.shape)}.`);
  }
  return [x.shape[0]!, x.shape[1]!];
}

function vectorLength(x: Tensor, where: string): number {
  if (x.shape.length !== 1) {
    throw new ShapeError(`${where}: expected a vector, got shape ${formatShape(x.shape)}.`);
  }
  return x.shape[0]!;
}

function checkIndexRange(indices: Tensor, rows: number, where: string): void {
  const range = indices.indexRange;
  if (range && range.min >= 0 && range.max < rows) return;
  throw new IndexError(
    `${where}: indices reach from ${range?.min} to ${range?.max}, but there are ${rows} rows (0 to ${rows - 1}).`,
  );
}

function union(a: IndexRange | undefined, b: IndexRange | undefined): IndexRange | undefined {
  return a && b ? { min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) } : undefined;
}
