import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  ArgumentError,
  type Backend,
  type BackendRegistration,
  BackendUnavailableError,
} from '@vq4dit/core';
import type { ConformanceOptions } from './run-conformance.ts';

/** What a backend declares to the conformance kit beside its code. */
export type Declarations = Pick<
  ConformanceOptions,
  'tier' | 'flushesDenormals' | 'expectedFailures'
>;

/** A registration that comes with what the conformance kit must know. */
export interface DeclaredBackend extends BackendRegistration {
  readonly conformance?: Declarations;
}

/** The export that is looked for where a specifier names none. */
export const MODULE_EXPORT = 'vq4ditBackend';

/** Whether a text names a module rather than a registered backend. */
export function isModuleSpecifier(text: string): boolean {
  return /[#/\\]|^\.|\.[cm]?js$/.test(text);
}

/**
 * Finds a backend by the module that it is in: `./my-backend.js#createMyBackend`, `my-package`,
 * `@scope/package#name`. Without `#` the module must export {@link MODULE_EXPORT}. The export is a
 * function that makes a backend, or a registration with such a function as `create`.
 *
 * @param folder where relative paths and packages are looked for; default: the working directory
 * @throws BackendUnavailableError where there is no such module or export, or it fails to load
 */
export async function loadBackend(
  specifier: string,
  folder: string = process.cwd(),
): Promise<DeclaredBackend> {
  const at = specifier.lastIndexOf('#');
  const name = at < 0 ? specifier : specifier.slice(0, at);
  const exported = at < 0 ? MODULE_EXPORT : specifier.slice(at + 1);
  if (!name || !exported) {
    throw new ArgumentError(
      `"${specifier}" names no backend; give a module and one of its exports, as in ./my-backend.js#createMyBackend.`,
    );
  }
  const module = await importModule(name, folder);
  const found = module[exported];
  if (found === undefined) {
    const names = Object.keys(module).join(', ') || 'nothing';
    throw new BackendUnavailableError(
      `${name} has no export "${exported}"; it exports ${names}, of which one can be named after a "#".`,
    );
  }
  const registration = registrationOf(found, specifier);
  if (!registration) {
    throw new BackendUnavailableError(
      `The export "${exported}" of ${name} makes no backend; it must be a function, or an object with an id and a function "create".`,
    );
  }
  return { ...registration, create: async () => checked(await registration.create(), specifier) };
}

async function importModule(name: string, folder: string): Promise<Record<string, unknown>> {
  const isPath = name.startsWith('.') || isAbsolute(name);
  const target = isPath ? pathToFileURL(resolve(folder, name)).href : packageEntry(name, folder);
  try {
    return (await import(/* @vite-ignore */ target)) as Record<string, unknown>;
  } catch (error) {
    const [reason] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new BackendUnavailableError(
      `The module ${name} could not be loaded: ${reason!.replace(/\.$/, '')}.`,
    );
  }
}

/** The package as `folder` sees it, else as this package does. */
function packageEntry(name: string, folder: string): string {
  try {
    return pathToFileURL(createRequire(join(folder, 'x.js')).resolve(name)).href;
  } catch {
    return name;
  }
}

function registrationOf(found: unknown, specifier: string): DeclaredBackend | undefined {
  if (typeof found === 'function') {
    const create = async () => (await found()) as Backend;
    return { id: specifier, description: specifier, priority: -1, create };
  }
  const given = found as Partial<DeclaredBackend> | null;
  if (typeof given !== 'object' || typeof given?.create !== 'function') return undefined;
  if (typeof given.id !== 'string' || !given.id) return undefined;
  const { description = specifier, priority = -1 } = given;
  return { ...(given as DeclaredBackend), description, priority };
}

function checked(backend: Backend, specifier: string): Backend {
  const isBackend =
    typeof backend === 'object' &&
    backend !== null &&
    typeof backend.info === 'function' &&
    typeof backend.kernels === 'object';
  if (isBackend) return backend;
  throw new BackendUnavailableError(
    `${specifier} did not give a backend: an object with info() and kernels was expected.`,
  );
}
