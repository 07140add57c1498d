import { readSupport, type SupportLine, writeSupport } from '../support-csv.mjs';

/**
 * The rows of docs/support/<id>.csv, for backends that only a browser has, so that no command line can
 * ask them. With VQ4DIT_REFRESH_SUPPORT=1 the file is written from `now` first; then run
 * `node tools/support-matrix.mjs`.
 */
export function supportFile(id: string, now: readonly SupportLine[]): SupportLine[] {
  if (process.env.VQ4DIT_REFRESH_SUPPORT === '1') writeSupport(id, now);
  return readSupport(id);
}
