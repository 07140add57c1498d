import os from 'node:os';

/** What stands beside every figure: figures mean nothing without it. */
export function machine() {
  return {
    cpu: os.cpus()[0]?.model.trim(),
    cores: os.cpus().length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.arch()}`,
    node: process.versions.node,
    // Above the number of cores everybody is too slow.
    loadAverage: Number(os.loadavg()[0].toFixed(2)),
  };
}
