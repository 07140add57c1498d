import { splitId } from './select.ts';

/** Everything that decides what a case computes. */
export interface Replay {
  /** What starts the command: `npx vq4dit-conformance`. */
  readonly program: string;
  readonly backend: string;
  readonly id: string;
  readonly seed: number;
  readonly path?: string | undefined;
  readonly flushesDenormals?: boolean | undefined;
}

/** One line for a POSIX shell that runs one case again with the same data. */
export function replayCommand(replay: Replay): string {
  const { name, params } = splitId(replay.id);
  const pattern = `^${params.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`;
  const words = [
    ...[replay.program, 'test', '-b', quote(replay.backend), '-o', quote(name)],
    ...['-p', quote(pattern), '--seed', String(replay.seed)],
    ...(replay.path === undefined ? [] : ['--path', replay.path]),
    ...(replay.flushesDenormals ? ['--flushes-denormals'] : []),
  ];
  return words.join(' ');
}

/** In single quotes, unless no shell would read it otherwise. */
function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
