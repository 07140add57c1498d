import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { startPeer } from '../../training/peer.mjs';
import { makeProblems, writeProblems } from '../../training/problem.mjs';
import { productTurn } from './product.mjs';

const python = process.env.PYTHON ?? '/usr/bin/python3';
const SCRIPTS = { calibration: 'calibration_step.py', sample: 'sample_step.py' };

/** PyTorch on the first CUDA device: products only. */
export function openTorchOnCuda() {
  const ask = 'import torch as t; print(t.cuda.get_device_name() if t.cuda.is_available() else "")';
  const name = execFileSync(python, ['-c', ask], { encoding: 'utf8' }).trim();
  if (!name) throw new Error('PyTorch has no CUDA device here');
  return openTorch({ scripts: {}, device: `${name}, CUDA, float32`, args: ['cuda'] });
}

/** PyTorch on all cores, by the thread pool that is the faster one for each script here. */
export async function openTorch({ scripts = SCRIPTS, device, args } = {}) {
  const cores = os.cpus().length;
  const threads = { own: 1, blas: cores };
  const folder = mkdtempSync(join(os.tmpdir(), 'benchmark-torch-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const product = await startPeer(python, '../backends/peers/product.py', folder, threads, args);
  const steps = new Map();

  async function step(kind) {
    if (steps.size === 0) await writeProblems(folder, await makeProblems());
    if (!steps.has(kind)) {
      const problem = join(folder, `${kind}.safetensors`);
      steps.set(kind, await startPeer(python, scripts[kind], problem, threads));
    }
    return steps.get(kind);
  }

  return {
    device: device ?? `CPU, ${cores} threads in BLAS`,
    version: product.versions.torch,
    async turn(wanted, milliseconds) {
      if (scripts[wanted.kind]) {
        const peer = await step(wanted.kind);
        const warm = await peer.run(1);
        const count = Math.min(10, Math.ceil(milliseconds / 1000 / warm.seconds[0]));
        const { seconds } = count > 1 ? await peer.run(count) : warm;
        return { status: 'passed', seconds, value: warm.values[0] };
      }
      return productTurn(wanted, milliseconds, ({ m, k, n, x, w, bias }) => {
        writeFileSync(join(folder, 'shape.json'), JSON.stringify({ m, k, n, bias: !!bias }));
        for (const [name, data] of Object.entries({ x, w, bias })) {
          if (data) writeFileSync(join(folder, name), data);
        }
        return {
          async read() {
            // The first step reads the problem and writes its result, the second is a warm one.
            const { seconds } = await product.run(2);
            this.guess = seconds[1];
            return new Float32Array(new Uint8Array(readFileSync(join(folder, 'y'))).buffer);
          },
          async times(time) {
            const count = Math.max(2, Math.ceil(time / 1000 / this.guess));
            return (await product.run(count)).seconds;
          },
          close: () => writeFileSync(join(folder, 'again'), ''),
        };
      });
    },
    close() {
      for (const peer of [product, ...steps.values()]) peer.close();
    },
  };
}
