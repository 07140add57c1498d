import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { demoModel } from '@vq4dit/demo-model';

/**
 * The demo model's files, relative to where the command runs, as paths are usually given: so reports
 * and records stay true in another place.
 */
export const DEMO_FILES = {
  checkpoint: fromHere(demoModel.checkpoint),
  /** Weights of the feature network that measures its images. */
  network: fromHere(demoModel.features),
  /** What they are compared with. */
  reference: fromHere(demoModel.reference),
};

function fromHere(url: URL): string {
  return relative('', fileURLToPath(url));
}
