import { ArgumentError, BackendUnavailableError } from '../errors.ts';
import type { Backend, BackendInfo } from './backend.ts';

/** How a backend is found and started. `create` rejects with a reason where it cannot run. */
export interface BackendRegistration {
  readonly id: string;
  /** One line for people. */
  readonly description: string;
  /** Higher is tried first; a negative priority is only used when asked for by name. */
  readonly priority: number;
  /**
   * `never`: it runs on the processor whatever there is, so where a GPU is required it is not even
   * started. `only`: without being named it is chosen only where it really runs on a GPU. Default:
   * what `info()` says counts, and only where a GPU is required.
   */
  readonly gpu?: 'never' | 'only';
  /** Starts the backend; the caller closes it. */
  create(): Promise<Backend>;
}

/** What became of one candidate. */
export type BackendProbe =
  | { readonly id: string; readonly available: true; readonly info: BackendInfo }
  | { readonly id: string; readonly available: false; readonly reason: string };

/** An open list of backends: anybody may register one, under any id. */
export class BackendRegistry {
  private readonly registrations = new Map<string, BackendRegistration>();

  /** @throws ArgumentError if the id is taken. */
  register(registration: BackendRegistration): void {
    if (this.registrations.has(registration.id)) {
      throw new ArgumentError(`A backend with the id "${registration.id}" is registered already.`);
    }
    this.registrations.set(registration.id, registration);
  }

  /** All registrations, those with the highest priority first. */
  list(): BackendRegistration[] {
    return [...this.registrations.values()].sort((a, b) => b.priority - a.priority);
  }

  /**
   * Starts the backend with this id, or the available one with the highest priority.
   *
   * @throws BackendUnavailableError naming every candidate tried and why each is not available. A
   * backend asked for by name is never replaced by another.
   */
  async init(id?: string, options: { requireGpu?: boolean } = {}): Promise<Backend> {
    const candidates = this.list().filter((r) =>
      id === undefined ? r.priority >= 0 : r.id === id,
    );
    if (candidates.length === 0) {
      const known =
        this.list()
          .map((r) => r.id)
          .join(', ') || 'none';
      const problem =
        id === undefined
          ? 'No registered backend may be chosen without its name'
          : `No backend is called "${id}"`;
      throw new BackendUnavailableError(`${problem}; registered: ${known}.`);
    }
    const reasons: string[] = [];
    for (const candidate of candidates) {
      const needsGpu = id === undefined && candidate.gpu === 'only';
      const started = await this.start(candidate, needsGpu || (options.requireGpu ?? false));
      if (typeof started !== 'string') return started;
      reasons.push(`${candidate.id}: ${started}`);
    }
    throw new BackendUnavailableError(`No backend could be started: ${reasons.join('; ')}.`);
  }

  /**
   * Tries every registration in turn, or those with the given ids, and says what became of it.
   *
   * @param ids Default: all.
   */
  async probe(ids?: readonly string[]): Promise<BackendProbe[]> {
    const probes: BackendProbe[] = [];
    for (const candidate of this.list()) {
      if (ids && !ids.includes(candidate.id)) continue;
      const started = await this.start(candidate, false);
      if (typeof started === 'string') {
        probes.push({ id: candidate.id, available: false, reason: started });
      } else {
        probes.push({ id: candidate.id, available: true, info: started.info() });
        await started.close();
      }
    }
    return probes;
  }

  private async start(
    candidate: BackendRegistration,
    requireGpu: boolean,
  ): Promise<Backend | string> {
    if (requireGpu && candidate.gpu === 'never') return 'runs on the processor, never on a GPU';
    let backend: Backend;
    try {
      backend = await candidate.create();
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    if (requireGpu && !backend.info().isGpu) {
      const { device } = backend.info();
      await backend.close();
      return `runs on ${device}, which is not a GPU`;
    }
    return backend;
  }
}
