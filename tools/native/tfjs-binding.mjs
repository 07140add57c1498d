import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fail, localHeaders, runOrFail } from './common.mjs';
import { libraryFiles } from './libtensorflow.mjs';

/** Names that the linker looks for, and the files that may stand behind them. */
const LINKS = {
  linux: {
    'libtensorflow.so': ['libtensorflow.so.2', 'libtensorflow_cc.so.2'],
    'libtensorflow_framework.so': ['libtensorflow_framework.so.2'],
  },
  darwin: {
    'libtensorflow.2.dylib': ['libtensorflow.2.dylib'],
    'libtensorflow_framework.2.dylib': ['libtensorflow_framework.2.dylib'],
  },
};

/**
 * Builds the binding of `@tensorflow/tfjs-node` or `-gpu` in `packageFolder`, which npm has installed
 * without running its install script. The package expects TensorFlow in its folder `deps`; links do.
 *
 * @param {string} library folder with `include`, and the libraries in itself or in `lib`
 */
export function buildTfjsBinding(packageFolder, library) {
  const header = join(library, 'include', 'tensorflow', 'c', 'c_api.h');
  if (!existsSync(header)) fail(`${library} has no include/tensorflow/c/c_api.h.`);
  const links = LINKS[process.platform];
  if (!links) {
    fail(`The binding is built here on Linux and macOS only, not on ${process.platform}.`);
  }
  const deps = join(packageFolder, 'deps');
  rmSync(deps, { recursive: true, force: true });
  mkdirSync(join(deps, 'lib'), { recursive: true });
  symlinkSync(join(library, 'include'), join(deps, 'include'));
  const files = libraryFiles(library);
  for (const file of files) symlinkSync(file, join(deps, 'lib', basename(file)));
  const names = files.map((file) => basename(file));
  for (const [link, targets] of Object.entries(links)) {
    const target = targets.find((name) => names.includes(name));
    if (!target) fail(`${library} has no ${targets.join(' and no ')}.`);
    if (!names.includes(link)) symlinkSync(target, join(deps, 'lib', link));
  }
  runOrFail(
    'npm',
    ['run', 'build-addon-from-source'],
    { cwd: packageFolder, env: { ...process.env, ...localHeaders() } },
    `The binding does not build against ${library}; the compiler's messages are above.`,
  );
}
