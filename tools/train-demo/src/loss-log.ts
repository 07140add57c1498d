import { type FileHandle, open, readFile } from 'node:fs/promises';
import { writeFileAtomic } from '@vq4dit/checkpoint';

/** One line of the loss curve. */
export interface LossLine {
  /** From 1. */
  readonly step: number;
  readonly loss: number;
  readonly mse: number;
  readonly bound: number;
  readonly learningRate: number;
  readonly milliseconds: number;
}

/** The loss curve: one JSON object per line and step. */
export class LossLog {
  private readonly handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.handle = handle;
  }

  /** Opens the file to go on after `step`; lines of later steps, which will be run again, are cut off. */
  static async open(path: string, step: number): Promise<LossLog> {
    const text = await readFile(path, 'utf8').catch(() => '');
    const kept = text.split('\n').filter((line) => (stepOf(line) ?? Number.NaN) <= step);
    const bytes = new TextEncoder().encode(kept.map((line) => `${line}\n`).join(''));
    await writeFileAtomic(path, [bytes]);
    return new LossLog(await open(path, 'a'));
  }

  async add(line: LossLine): Promise<void> {
    await this.handle.appendFile(`${JSON.stringify(line)}\n`);
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** The step of a line; undefined for one that a killed run has left half written. */
function stepOf(line: string): number | undefined {
  try {
    return (JSON.parse(line) as LossLine).step;
  } catch {
    return undefined;
  }
}
