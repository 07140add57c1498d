/**
 * What `install-native.mjs` can install. packages: name to exact version. scripts: packages whose
 * install scripts must run; no other does. debian: what a build from source needs. check: a program
 * that exits with 0 if the package works; display: whether that program needs an X display.
 * binding: a package whose native part is built here, against a libtensorflow that is there already.
 */
export const TABLE = {
  gpujs: {
    packages: { 'gpu.js': '2.24.1', gl: '8.1.6' },
    scripts: ['gl'],
    debian: ['build-essential', 'python3', 'pkg-config', 'libxi-dev', 'libglu1-mesa-dev'].concat([
      'libglew-dev',
      'xvfb',
      'xauth',
      'libgl1-mesa-dri',
    ]),
    display: true,
    check: `
      const { GPU } = require('gpu.js');
      const gpu = new GPU({ mode: 'headlessgl' });
      const kernel = gpu.createKernel('function (x) { return 2 * x; }', { output: [1] });
      if (kernel(21)[0] !== 42) throw new Error('a kernel computes wrongly');
      console.log('gpu.js runs as ' + gpu.Kernel.name + '.');`,
  },
  // What benchmarks/backends compares with. The CPU library comes with the package; its script would
  // only fetch the one for CUDA.
  peers: {
    packages: { 'onnxruntime-node': '1.30.0', 'onnx-proto': '8.0.1', '@jax-js/jax': '0.1.25' },
    scripts: [],
    debian: [],
    display: false,
    check: `
      require('onnx-proto');
      require.resolve('@jax-js/jax');
      const names = require('onnxruntime-node').listSupportedBackends().map(({ name }) => name);
      if (!names.includes('cpu')) throw new Error('onnxruntime-node cannot compute on the processor');
      console.log('onnxruntime-node offers ' + names.join(', ') + '.');`,
  },
  'tfjs-node': tensorflow('@tensorflow/tfjs-node'),
  'tfjs-node-gpu': tensorflow('@tensorflow/tfjs-node-gpu'),
};

function tensorflow(id) {
  return {
    packages: { [id]: '4.22.0' },
    scripts: [],
    debian: ['build-essential', 'python3'],
    display: false,
    binding: id,
    // Node 23 removed a function that the package calls; backend-tfjs puts it back in the same way.
    check: `
      process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
      require('node:util').isNullOrUndefined ??= (x) => x === null || x === undefined;
      const tf = require('${id}');
      const product = tf.matMul(tf.tensor([[6, 2]]), tf.tensor([[4], [9]])).dataSync()[0];
      if (product !== 42) throw new Error('a kernel computes wrongly');
      const { binding, isUsingGpuDevice } = tf.backend();
      const device = isUsingGpuDevice ? 'a GPU' : 'the processor';
      console.log('TensorFlow ' + binding.TF_Version + ' runs on ' + device + '.');`,
  };
}
