import { readFileSync, writeFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';

/** What a backend says of one workload, as docs/support keeps it. */
export interface SupportLine {
  readonly op: string;
  readonly params: string;
  readonly way: string;
  readonly message: string;
}

/**
 * The rows of docs/support/<id>.csv, for backends that only a browser has, so that no command line can
 * ask them. With VQ4DIT_REFRESH_SUPPORT=1 the file is written from `now` first; then run
 * `node tools/support-matrix.mjs`.
 */
export function supportFile(id: string, now: readonly SupportLine[]): SupportLine[] {
  const file = new URL(`../../docs/support/${id}.csv`, import.meta.url);
  if (process.env.VQ4DIT_REFRESH_SUPPORT === '1') {
    writeFileSync(
      file,
      stringify([...now], { header: true, columns: ['op', 'params', 'way', 'message'] }),
    );
  }
  return parse(readFileSync(file, 'utf8'), { columns: true }) as SupportLine[];
}
