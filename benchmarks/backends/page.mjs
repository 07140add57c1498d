// Runs in the browser.
import { VqWeight } from '@vq4dit/core';
import { CASES } from './cases.mjs';
import { createTurns } from './turns.mjs';

let turns;
let problems;

/** One turn of the page's backend. */
export async function turn(backend, id, caseId, milliseconds) {
  // As in the tests: both engines of WebGL declare it.
  const flushesDenormals = id !== 'wasm-browser';
  turns ??= createTurns(backend, { flushesDenormals, problems: () => problems });
  const wanted = CASES.find((other) => other.id === caseId);
  try {
    return await turns.turn(wanted, milliseconds);
  } catch (error) {
    // Classes of errors do not leave the page.
    const status = error?.name === 'UnsupportedOpError' ? 'unsupported' : 'failed';
    return { status, message: String(error?.message ?? error).split('\n')[0] };
  }
}

/** Keeps the inputs of the steps. */
export function keep(_backend, { weights, calibration, ...others }) {
  const layers = new Map(
    calibration.layers.map(({ layer, weight }) => [layer, new VqWeight(weight)]),
  );
  problems = {
    ...others,
    weights: new Map(Object.entries(weights)),
    calibration: { ...calibration, layers },
  };
}
