// Compiles assembly/ to WebAssembly and src/worker.ts to plain JavaScript, both as TypeScript modules
// in src/generated/ that need no file access when they run: a bundler, a browser and Node all see
// ordinary imports. Does nothing when no input has changed. Safe to run twice at once: every file is
// written beside its place and renamed.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const sources = join(here, 'assembly');
const target = join(here, 'src', 'generated');

/** Pages of 64 KiB: what 32-bit addresses reach. The host may reserve less. */
const MAXIMUM_PAGES = 65536;

/** The engine loads one of these, by what the JavaScript engine can do. */
const BUILDS = [
  { name: 'simd', features: ['simd'], shared: false },
  { name: 'simd-shared', features: ['simd', 'threads'], shared: true },
  { name: 'relaxed', features: ['simd', 'relaxed-simd'], shared: false },
  { name: 'relaxed-shared', features: ['simd', 'relaxed-simd', 'threads'], shared: true },
];

const versions = ['assemblyscript', 'typescript'].map(versionOf);
if (versions.includes(undefined)) {
  // `npm ci --omit=dev` runs the prepare script too, where there is nothing to build with.
  console.log('backend-wasm: assemblyscript or typescript is not installed; kernels not built.');
} else {
  await buildAll();
}

async function buildAll() {
  const started = performance.now();
  const files = readdirSync(sources).filter((name) => name.endsWith('.ts'));
  const texts = new Map(files.sort().map((name) => [name, read(join(sources, name))]));
  const worker = read(join(here, 'src', 'worker.ts'));
  const tools = [...versions, read(fileURLToPath(import.meta.url))];
  const kernelHash = hash([...tools, ...[...texts].flat()]);
  const workerHash = hash([...tools, worker]);

  mkdirSync(target, { recursive: true });
  let built = 0;
  // Processes that build at the same time begin at different places, and so share the work.
  const order = BUILDS.map((_, i) => BUILDS[(i + process.pid) % BUILDS.length]);
  for (const build of order) {
    const path = join(target, `${build.name}.ts`);
    if (isCurrent(path, kernelHash)) continue;
    const base64 = Buffer.from(await compile(texts, build)).toString('base64');
    write(path, kernelHash, `export const base64: string =\n  '${base64}';\n`);
    built++;
  }
  const path = join(target, 'worker-source.ts');
  if (!isCurrent(path, workerHash)) {
    const source = JSON.stringify(await strip(worker));
    write(path, workerHash, `export const workerSource: string =\n  ${source};\n`);
    built++;
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (built > 0) console.log(`backend-wasm: built ${built} modules in ${seconds} s.`);
}

async function compile(texts, { name, features, shared }) {
  const asc = await import('assemblyscript/asc');
  let binary;
  const stderr = asc.createMemoryStream();
  const options = [
    'index.ts',
    ...['--outFile', 'kernels.wasm', '--runtime', 'stub', '--use', 'abort='],
    ...['--optimizeLevel', '3', '--shrinkLevel', '0', '--noAssert'],
    ...['--importMemory', '--noExportMemory', '--maximumMemory', String(MAXIMUM_PAGES)],
    ...(shared ? ['--sharedMemory', '--initialMemory', '16'] : []),
    ...features.flatMap((feature) => ['--enable', feature]),
  ];
  const { error } = await asc.main(options, {
    stderr,
    readFile: (path) => texts.get(path) ?? null,
    writeFile: (path, contents) => {
      if (path.endsWith('.wasm')) binary = contents;
    },
    listFiles: () => [],
  });
  const messages = stderr.toString();
  if (messages) console.error(messages);
  if (error || !binary) throw error ?? new Error(`no WebAssembly came out of the build ${name}`);
  return binary;
}

/** Plain JavaScript of the worker, which is started from a string. */
async function strip(source) {
  const { default: ts } = await import('typescript');
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { target: 'ES2022', module: 'ESNext', removeComments: true },
  });
  // The file exports its one function for the type checker; a worker started from a string is a script.
  return outputText.replace(/^export \{.*$/gm, '').replace(/^export /gm, '');
}

/** Of an installed package; undefined if it is not installed. */
function versionOf(name) {
  const require = createRequire(import.meta.url);
  try {
    return require(`${name}/package.json`).version;
  } catch (error) {
    if (error?.code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

function isCurrent(path, expected) {
  try {
    return read(path).startsWith(header(expected));
  } catch {
    return false;
  }
}

function write(path, inputs, text) {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, `${header(inputs)}${text}`);
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function header(inputs) {
  return `// Made by build-kernels.mjs from inputs ${inputs}; do not edit.\n`;
}

function hash(parts) {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(`${part.length}:${part}`);
  return sum.digest('hex');
}

function read(path) {
  return readFileSync(path, 'utf8');
}
