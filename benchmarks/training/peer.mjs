import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const peers = new URL('../peers/', import.meta.url).pathname;

/** A script of `benchmarks/peers` that makes steps when it is told to. */
export async function startPeer(python, script, problem, threads) {
  const child = spawn(python, [`${peers}${script}`, 'serve', problem, String(threads)], {
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
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
