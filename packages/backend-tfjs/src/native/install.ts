/** The packages of TensorFlow.js with a native part. */
export type NativePackage = '@tensorflow/tfjs-node' | '@tensorflow/tfjs-node-gpu';

interface Platform {
  readonly platform: string;
}

const VERSION = '4.22.0';
const COMPILERS: Readonly<Record<string, string>> = {
  darwin: 'a build needs "xcode-select --install"',
  win32: 'a build needs Python and the Visual Studio C++ build tools',
};

/** The command that adds a package, as the second half of a sentence. */
export function howToInstall(id: NativePackage, { platform }: Platform): string {
  if (platform === 'darwin' && id.endsWith('-gpu')) {
    return 'it needs CUDA, which macOS does not have; use tfjs-node';
  }
  const install = `run "npm install ${id}@${VERSION}"`;
  const compiler = COMPILERS[platform];
  if (compiler) return `${install} (${compiler})`;
  return `${install}, or in a checkout of this project ${fromCheckout(id)}`;
}

/** The command that repairs a package which is there and does not load. */
export function howToBuild(id: NativePackage, { platform }: Platform): string {
  const compiler = COMPILERS[platform];
  const rebuild = `run "npm rebuild ${id} --build-addon-from-source"`;
  if (compiler) return `${rebuild} (${compiler})`;
  return `${rebuild}, or in a checkout of this project ${fromCheckout(id)}`;
}

function fromCheckout(id: NativePackage): string {
  const name = id.replace('@tensorflow/', '');
  return `"node tools/install-native.mjs ${name}" after "apt-get install build-essential python3 python3-pip" (Debian, Ubuntu)`;
}
