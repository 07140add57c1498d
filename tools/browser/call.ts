import type { Browser } from 'playwright-core';

/** Plain data in, plain data out. */
type Functions = Readonly<Record<string, (...args: never[]) => unknown>>;

/**
 * Opens the page at `url` and calls one of the functions that its script has put on `vq4dit`.
 *
 * @param scripts files that are loaded as classic scripts before the call
 */
export async function callOnPage<F extends Functions, Name extends keyof F & string>(
  browser: Browser,
  url: string,
  scripts: readonly string[],
  name: Name,
  ...args: Parameters<F[Name]>
): Promise<Awaited<ReturnType<F[Name]>>> {
  const page = await browser.newPage();
  try {
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    await page.goto(url);
    await page
      .waitForFunction(() => 'vq4dit' in globalThis, undefined, { timeout: 30_000 })
      .catch((error: unknown) => {
        throw new Error(`the page did not load: ${problems.join('; ')}`, { cause: error });
      });
    for (const path of scripts) await page.addScriptTag({ path });
    const result = await page.evaluate(
      ([name, args]) => {
        const page = globalThis as unknown as {
          vq4dit: Record<string, (...a: unknown[]) => unknown>;
        };
        return page.vq4dit[name as string]!(...(args as unknown[]));
      },
      [name, args] as unknown[],
    );
    return result as Awaited<ReturnType<F[Name]>>;
  } finally {
    await page.close();
  }
}
