// Finds the TensorFlow library that a binding is built against: in a folder, in an installed Python
// package, or in a wheel, which is a zip file: it is unpacked and never installed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fail, runOrFail } from './common.mjs';

/** The newest release that the binding was built against and passed the conformance kit with. */
const VERSION = '2.21.0';
/** Wheels are per version of Python, but the library in them is not: any will do for unpacking. */
const WHEEL_PYTHON = '3.12';
const python = process.env.PYTHON ?? 'python3';

/** Unpacks the libraries and the C headers, a tenth of the files of the wheel. */
const UNPACK = `
import sys, zipfile
wheel, folder = sys.argv[1:]
headers = ['tensorflow/c/', 'tensorflow/core/platform/', 'xla/tsl/', 'tsl/']
prefixes = tuple(['tensorflow/libtensorflow'] + ['tensorflow/include/' + h for h in headers])
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if name.startswith(prefixes):
            archive.extract(name, folder)
`;

/**
 * A folder with `include` and the library, from the options of the command line.
 *
 * @param {{ libtensorflow?: string, python?: string, wheel?: string }} options at most one
 * @param {{ gpu: boolean, cache: string }} how gpu: whether a build with CUDA is of use; cache: where
 * wheels are unpacked to
 */
export function findLibtensorflow(options, { gpu, cache }) {
  if (options.libtensorflow) return resolve(options.libtensorflow);
  if (options.python) return installedPackage(options.python);
  if (process.platform !== 'linux') {
    fail(
      'Wheels can be used on Linux only. Elsewhere "npm install" of the package builds or fetches its own binding; or give a folder of the TensorFlow C library with --libtensorflow.',
    );
  }
  const wanted = options.wheel ?? defaultWheel(gpu);
  if (wanted.endsWith('.whl')) return unpack(resolve(wanted), cache);
  return download(wanted.includes('==') ? wanted : `${wanted}==${VERSION}`, cache);
}

/** Builds with CUDA are twice as large, and no better where there is no driver. */
function defaultWheel(gpu) {
  if (process.arch !== 'x64') return 'tensorflow';
  return gpu && existsSync('/proc/driver/nvidia/version') ? 'tensorflow' : 'tensorflow-cpu';
}

function installedPackage(program) {
  const code =
    'import importlib.util as i; print(i.find_spec("tensorflow").submodule_search_locations[0])';
  const { status, stdout } = spawnSync(program, ['-c', code], { encoding: 'utf8' });
  if (status !== 0) fail(`${program} does not have the Python package tensorflow.`);
  return stdout.trim();
}

function download(requirement, cache) {
  const unpacked = join(cache, requirement.replace('==', '-'), 'tensorflow');
  if (existsSync(unpacked)) return unpacked;
  console.log(`Downloading the wheel of ${requirement} (230 to 600 MiB).`);
  const folder = join(cache, `download-${process.pid}`);
  const pip = ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--no-cache-dir'];
  runOrFail(
    python,
    [...pip, '--python-version', WHEEL_PYTHON, '--dest', folder, requirement],
    {},
    `pip cannot download ${requirement}; is it installed (Debian package python3-pip)?`,
  );
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'));
  const library = unpack(join(folder, wheel), cache, dirname(unpacked));
  rmSync(folder, { recursive: true });
  return library;
}

function unpack(wheel, cache, target = join(cache, basename(wheel, '.whl'))) {
  const unpacked = join(target, 'tensorflow');
  if (existsSync(unpacked)) return unpacked;
  if (!existsSync(wheel)) fail(`There is no file ${wheel}.`);
  mkdirSync(cache, { recursive: true });
  const partial = `${target}.partial-${process.pid}`;
  runOrFail(python, ['-c', UNPACK, wheel, partial], {}, `Cannot unpack ${wheel}.`);
  // Two builds may unpack the same wheel at the same time; the first one to end is kept.
  try {
    renameSync(partial, target);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    if (!existsSync(unpacked)) throw error;
  }
  return unpacked;
}

/** The library files in such a folder, `lib/` or the folder itself. */
export function libraryFiles(folder) {
  const places = [join(folder, 'lib'), folder].filter((place) => existsSync(place));
  for (const place of places) {
    const files = readdirSync(place).filter((name) =>
      /^(lib)?tensorflow.*(so|dylib|dll|lib)/.test(name),
    );
    if (files.length > 0)
      return files.map((name) => join(place, name)).filter((f) => statSync(f).isFile());
  }
  return [];
}
