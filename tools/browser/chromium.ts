import { existsSync } from 'node:fs';

/** Where Chromium is usually installed. */
const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/snap/bin/chromium',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

const HOW =
  'install Chromium or Chrome (Debian: apt install chromium), or set VQ4DIT_CHROMIUM to its program';

/**
 * Chromium's program, or undefined, with word on the console of what is not tested then.
 *
 * @param what for that word: "the wasm backend"
 * @param exists tells whether a file is there
 * @throws Error if there is none and VQ4DIT_REQUIRE_BROWSER=1 asks for it, or VQ4DIT_CHROMIUM names
 *   a file that is not there
 */
export function findChromium(what: string, exists = existsSync): string | undefined {
  const named = process.env.VQ4DIT_CHROMIUM;
  if (named && !exists(named)) throw new Error(`VQ4DIT_CHROMIUM=${named} does not exist`);
  const found = named || PLACES.find((place) => exists(place));
  if (found) return found;
  if (process.env.VQ4DIT_REQUIRE_BROWSER === '1') throw new Error(`no browser to test in: ${HOW}`);
  console.warn(`NOT RUN: ${what} in a browser, because none was found; ${HOW}.`);
  return undefined;
}

/**
 * Arguments for a Chromium with WebGL. Tests may run as root in a container, where the sandbox does not
 * start. Without a graphics card there is WebGL only if the processor is asked to compute it; where
 * there is one, VQ4DIT_CHROMIUM_ARGS says how to reach it: "--no-sandbox --use-angle=vulkan".
 */
export function webglArgs(): string[] {
  const onTheProcessor = '--no-sandbox --use-angle=swiftshader --enable-unsafe-swiftshader';
  return (process.env.VQ4DIT_CHROMIUM_ARGS ?? onTheProcessor).split(' ').filter(Boolean);
}
