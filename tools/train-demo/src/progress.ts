import { formatSeconds } from '@vq4dit/cli';
import { Presets, SingleBar } from 'cli-progress';
import type { StepLoss } from './trainer.ts';

/** Where stderr is no terminal, seconds between lines. */
const LINE_EVERY = 60;
/** Share of a new loss in the smoothed one that is shown. */
const NEW_SHARE = 0.02;

/** Steps, loss and remaining time on stderr: a bar on a terminal, a line now and then elsewhere. */
export class Progress {
  private readonly total: number;
  private readonly bar: SingleBar | undefined;
  private readonly started = performance.now();
  private readonly first: number;
  private lastLine = performance.now();
  private smooth: number | undefined;

  /** @param first steps that were done before */
  constructor(total: number, first: number, quiet: boolean) {
    this.total = total;
    this.first = first;
    if (quiet) this.lastLine = Number.POSITIVE_INFINITY;
    if (quiet || !process.stderr.isTTY) return;
    const format = 'Training {bar} {value}/{total} | {duration_formatted} | ETA {left} | {note}';
    this.bar = new SingleBar({ format, stream: process.stderr }, Presets.shades_classic);
    this.bar.start(total, first, { left: '-', note: '' });
  }

  update(step: number, { loss }: StepLoss): void {
    this.smooth = this.smooth === undefined ? loss : this.smooth + NEW_SHARE * (loss - this.smooth);
    const now = performance.now();
    const rate = (step - this.first) / ((now - this.started) / 1000);
    const left = formatSeconds((this.total - step) / rate);
    const note = `loss ${this.smooth.toFixed(4)} | ${rate.toFixed(2)} steps/s`;
    if (this.bar) this.bar.update(step, { left, note });
    else if (now - this.lastLine > LINE_EVERY * 1000) {
      this.lastLine = now;
      process.stderr.write(`Training ${step}/${this.total}, ETA ${left} | ${note}\n`);
    }
  }

  end(): void {
    this.bar?.stop();
  }
}
