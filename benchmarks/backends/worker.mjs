// One contender in a process of its own. Each line on standard input is a turn; each answer is a line
// of JSON behind ANSWER, because libraries write to standard output too.
import { createInterface } from 'node:readline';
import { ANSWER } from './answer.mjs';
import { CASES } from './cases.mjs';
import { open } from './contenders.mjs';

const answer = (data) => process.stdout.write(`\n${ANSWER}${JSON.stringify(data)}\n`);
const messageOf = (error) =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0];

let contender;
try {
  contender = await open(process.argv[2]);
  answer({ device: contender.device, version: contender.version });
} catch (error) {
  answer({ unavailable: messageOf(error) });
  process.exit(0);
}
for await (const line of createInterface({ input: process.stdin })) {
  const { id, milliseconds } = JSON.parse(line);
  const wanted = CASES.find((other) => other.id === id);
  try {
    answer((await contender.turn(wanted, milliseconds)) ?? { status: 'not for it' });
  } catch (error) {
    const status = error?.name === 'UnsupportedOpError' ? 'unsupported' : 'failed';
    answer({ status, message: messageOf(error) });
  }
}
await contender.close();
process.exit(0);
