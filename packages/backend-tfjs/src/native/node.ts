/** What CommonJS gives for loading packages. */
export interface Require {
  (id: string): unknown;
  resolve(id: string): string;
}

interface FileSystem {
  existsSync(path: string): boolean;
  readdirSync(path: string): string[];
  readFileSync(path: string, encoding: 'utf8'): string;
}

/** What is used of Node. Its modules are asked for when they are needed: browsers load this, too. */
export interface NodeProcess {
  readonly platform: string;
  readonly env: Record<string, string | undefined>;
  readonly versions?: Readonly<Record<string, string>>;
  getBuiltinModule?: {
    (name: 'node:module'): { createRequire(from: string | URL): Require };
    (name: 'node:util'): Record<string, unknown>;
    (name: 'node:fs'): FileSystem;
    (name: 'node:os'): { cpus(): { readonly model: string }[] };
  };
}

/** Node's `process`; undefined in a browser. */
export function nodeProcess(): NodeProcess | undefined {
  return (globalThis as { process?: NodeProcess }).process;
}
