import { nativeRequire, productTurn, repeat } from './product.mjs';

/** ONNX Runtime on its CPU provider, with its default threads; the weight is part of the model. */
export async function openOnnxRuntime() {
  const require = nativeRequire('peers');
  const ort = require('onnxruntime-node');
  const { onnx } = require('onnx-proto');
  return {
    device: 'CPU provider',
    version: require('onnxruntime-node/package.json').version,
    turn: (wanted, milliseconds) =>
      productTurn(wanted, milliseconds, async (product) => {
        const session = await ort.InferenceSession.create(modelOf(onnx, product), {
          executionProviders: ['cpu'],
        });
        const x = new ort.Tensor('float32', product.x, [product.m, product.k]);
        const run = async () => (await session.run({ x })).y;
        return {
          read: async () => (await run()).data,
          times: (time) => repeat(time, run),
          close: () => session.release(),
        };
      }),
    close() {},
  };
}

/** A model of one node: y = x W^T (+ bias), the operator Gemm. */
function modelOf(onnx, { m, k, n, w, bias }) {
  const { FLOAT } = onnx.TensorProto.DataType;
  const constant = (name, dims, data) => ({
    name,
    dims,
    dataType: FLOAT,
    rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  });
  const port = (name, dims) => ({
    name,
    type: {
      tensorType: { elemType: FLOAT, shape: { dim: dims.map((dimValue) => ({ dimValue })) } },
    },
  });
  const { INT } = onnx.AttributeProto.AttributeType;
  const model = {
    irVersion: 8,
    opsetImport: [{ domain: '', version: 17 }],
    graph: {
      name: 'product',
      input: [port('x', [m, k])],
      output: [port('y', [m, n])],
      initializer: [constant('w', [n, k], w), ...(bias ? [constant('b', [n], bias)] : [])],
      node: [
        {
          opType: 'Gemm',
          input: ['x', 'w', ...(bias ? ['b'] : [])],
          output: ['y'],
          attribute: [{ name: 'transB', type: INT, i: 1 }],
        },
      ],
    },
  };
  return onnx.ModelProto.encode(onnx.ModelProto.fromObject(model)).finish();
}
