import type { Writer } from './output.ts';
import type { Selection } from './select.ts';
import type { Started } from './start.ts';

/** Options after parsing. */
export interface CommandOptions extends Selection {
  readonly seed: number;
  readonly path?: string;
  /** Computations per property. */
  readonly runs?: number;
  readonly flushesDenormals?: boolean;
  /** Milliseconds of timed runs. */
  readonly minTime?: number;
}

/** What a command works with. */
export interface CommandContext {
  readonly writer: Writer;
  /** What the user typed to get here, for replay lines. */
  readonly program: string;
}

/** Runs on one backend, which the caller closes. `name` is what the user called it. */
export type Command = (
  started: Started,
  name: string,
  options: CommandOptions,
  context: CommandContext,
) => Promise<{ readonly failed: number; readonly ran: number }>;
