import { createRegistry, DECLARATIONS } from '@vq4dit/cli';
import { BROWSER, openBrowser } from '../everywhere/browser.mjs';
import { toPlain } from '../everywhere/plain.mjs';
import { makeProblems } from '../training/problem.mjs';
import { createTurns } from './turns.mjs';

/** One of our backends as a contender. */
export async function openBackend(id) {
  if (BROWSER.includes(id)) return openInBrowser(id);
  const backend = await createRegistry().init(id);
  const { flushesDenormals } = DECLARATIONS[id] ?? {};
  return createTurns(backend, { flushesDenormals, problems: makeProblems });
}

/** The same in a page of Chromium, which stays open. */
async function openInBrowser(id) {
  const browser = await openBrowser();
  if (!browser) throw new Error('there is no Chromium');
  const page = await browser.open(id);
  let hasProblems = false;
  return {
    device: page.device,
    version: `Chromium ${browser.version}`,
    async turn(wanted, milliseconds) {
      const isStep = wanted.kind === 'calibration' || wanted.kind === 'sample';
      if (isStep && !hasProblems) {
        await page.call('backends/page.mjs', 'keep', [
          toPlain(plainProblems(await makeProblems())),
        ]);
        hasProblems = true;
      }
      return page.call('backends/page.mjs', 'turn', [id, wanted.id, milliseconds]);
    },
    close: () => browser.close(),
  };
}

/** Without maps and classes, which do not go through JSON. */
function plainProblems({ weights, calibration, ...others }) {
  const layers = [...calibration.layers].map(([layer, weight]) => {
    const { name, rows, columns, groups, k, d, codebook, codes } = weight;
    return { layer, weight: { name, rows, columns, groups, k, d, codebook, codes } };
  });
  return {
    ...others,
    weights: Object.fromEntries(weights),
    calibration: { ...calibration, layers },
  };
}
