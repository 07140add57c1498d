import {
  ArgumentError,
  type Backend,
  type BackendRegistration,
  BackendRegistry,
} from '@vq4dit/core';
import { type Declarations, isModuleSpecifier, loadBackend } from '../backend-module.ts';

/** Backends that are known by a short name; the kit itself knows none. */
export interface KnownBackends {
  list(): readonly BackendRegistration[];
  /** What a backend declares beside its code. */
  declarations(id: string): Declarations | undefined;
}

/** A running backend and what it declares. */
export interface Started {
  readonly backend: Backend;
  readonly declared: Declarations;
}

/**
 * Starts what `-b` names: a known id, or a module.
 *
 * @throws BackendUnavailableError where it cannot run, or is no GPU and one is required
 */
export async function startBackend(
  name: string,
  known: KnownBackends | undefined,
  requireGpu: boolean,
): Promise<Started> {
  const registry = new BackendRegistry();
  const registered = known?.list().find(({ id }) => id === name);
  if (registered) {
    registry.register(registered);
    return {
      backend: await registry.init(name, { requireGpu }),
      declared: known?.declarations(name) ?? {},
    };
  }
  if (known && !isModuleSpecifier(name)) {
    const ids = known.list().map(({ id }) => id);
    throw new ArgumentError(
      `No backend is called "${name}"; there are ${ids.join(', ')}, and a module is named with one of its exports, as in ./my-backend.js#createMyBackend.`,
    );
  }
  const loaded = await loadBackend(name);
  registry.register(loaded);
  return {
    backend: await registry.init(loaded.id, { requireGpu }),
    declared: loaded.conformance ?? {},
  };
}
