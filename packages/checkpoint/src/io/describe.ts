const LONGEST = 120;

/** A string out of a file, quoted so that it can stand in an error message: escaped and cut. */
export function quote(text: string): string {
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text;
  return JSON.stringify(cut);
}

/** The system's name of an error (`ENOENT`, `ENOSPC`, ...), if it has one. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
