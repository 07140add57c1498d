import { WORKER_FLAG } from '../compare/worker.ts';

/**
 * For a program that another one has started as its worker: ends it when the other one dies, and
 * tells it at the end what was used. Elsewhere nothing.
 *
 * @returns what to call when the work is done
 */
export function reportUsage(): () => void {
  if (process.env[WORKER_FLAG] !== '1' || !process.send) return () => undefined;
  const orphaned = () => process.exit(1);
  process.once('disconnect', orphaned);
  // Listening must not keep a finished program alive.
  process.channel?.unref();
  return () => {
    process.off('disconnect', orphaned);
    const peakBytes = process.resourceUsage().maxRSS * 1024;
    process.send?.({ peakBytes }, () => process.disconnect());
  };
}
