import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { ANSWER } from './answer.mjs';

const worker = new URL('./worker.mjs', import.meta.url).pathname;

/**
 * A contender in a process of its own: native packages get into each other's way, and one that hangs
 * or crashes takes nobody with it.
 *
 * @returns its first answer and `ask(message, seconds)`, which gives `{ status: 'left out' }` where
 *   the answer takes longer (the process is then ended and `isAlive` false)
 */
export async function startProcess(id, budget) {
  const program = [process.execPath, worker, id];
  const needsDisplay = id === 'gpujs' && process.platform === 'linux' && !process.env.DISPLAY;
  const [command, ...args] = needsDisplay ? ['xvfb-run', '-a', ...program] : program;
  // A group of its own, so that the display ends with it.
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  let last = '';
  child.stderr.on('data', (text) => {
    last = `${last}${text}`.slice(-2000);
  });
  child.stdin.on('error', () => {});
  child.on('error', (error) => {
    last = error.message;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const state = { isAlive: true };

  async function nextAnswer() {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) {
        state.isAlive = false;
        const reason = last.trim().split('\n').at(-1) || 'nothing on stderr';
        return { status: 'failed', unavailable: reason, message: `the process ended: ${reason}` };
      }
      if (value.startsWith(ANSWER)) return JSON.parse(value.slice(ANSWER.length));
    }
  }

  async function within(seconds) {
    let timer;
    const tooLate = new Promise((resolve) => {
      timer = setTimeout(resolve, seconds * 1000, undefined);
    });
    const answer = await Promise.race([nextAnswer(), tooLate]);
    clearTimeout(timer);
    if (answer) return answer;
    kill();
    const message = `a turn with its preparation and check took more than ${seconds} s`;
    return { status: 'left out', message };
  }

  function kill() {
    state.isAlive = false;
    try {
      process.kill(-child.pid, 'SIGTERM');
    } catch {
      // It has ended by itself.
    }
  }

  const first = await within(Math.max(60, budget));
  return {
    ...first,
    get isAlive() {
      return state.isAlive;
    },
    ask(message) {
      child.stdin.write(`${JSON.stringify(message)}\n`);
      return within(budget);
    },
    close: kill,
  };
}
