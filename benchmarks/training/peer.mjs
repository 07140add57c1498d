import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { pythonEnvironment } from '../machine.mjs';

const peers = new URL('../peers/', import.meta.url).pathname;

/**
 * A script of `benchmarks/peers` that makes steps when it is told to.
 *
 * Debian's PyTorch has two pools of threads, its own (OpenMP) and that of its matrix products
 * (OpenBLAS), and an idle thread of the first spins in the way of the second: with two threads each
 * a step takes twice as long as with one. So both are set, and idle threads sleep.
 *
 * @param args for the script, behind the problem and the threads
 */
export async function startPeer(python, script, problem, { own, blas }, args = []) {
  const child = spawn(python, [`${peers}${script}`, 'serve', problem, String(own), ...args], {
    env: {
      ...pythonEnvironment(),
      PYTHONDONTWRITEBYTECODE: '1',
      OPENBLAS_NUM_THREADS: String(blas),
      OMP_WAIT_POLICY: 'PASSIVE',
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${script} ended; its error is above.`);
    return JSON.parse(value);
  };
  const versions = await answer();
  return {
    versions,
    run(count) {
      child.stdin.write(`${count}\n`);
      return answer();
    },
    close: () => child.stdin.end(),
  };
}
