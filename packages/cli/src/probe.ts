import type { BackendProbe, BackendRegistry } from '@vq4dit/core';
import { NATIVE } from './backends.ts';
import { runWorker } from './compare/worker.ts';

/**
 * Tries every backend of the list, in its order. Native libraries that cannot be in one process are
 * tried in a process each, so that each is judged by itself, and one that dies is a reason only.
 */
export async function probeAll(
  registry: BackendRegistry,
  signal: AbortSignal,
): Promise<BackendProbe[]> {
  const ids = registry.list().map(({ id }) => id);
  const here = await registry.probe(ids.filter((id) => !NATIVE.includes(id)));
  const elsewhere = await Promise.all(
    ids.filter((id) => NATIVE.includes(id)).map((id) => probeInWorker(id, signal)),
  );
  const byId = new Map([...here, ...elsewhere].map((probe) => [probe.id, probe]));
  return ids.map((id) => byId.get(id)!);
}

async function probeInWorker(id: string, signal: AbortSignal): Promise<BackendProbe> {
  try {
    const { result } = await runWorker<{ backends: BackendProbe[] }>(['doctor', '--only', id], {
      signal,
    });
    return result.backends[0]!;
  } catch (error) {
    if (signal.aborted) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    return { id, available: false, reason: `It does not start: ${reason}` };
  }
}
