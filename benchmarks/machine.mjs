import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';

/** What stands beside every figure: figures mean nothing without it. */
export function machine() {
  return {
    cpu: os.cpus()[0]?.model.trim(),
    cores: os.cpus().length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.arch()}`,
    node: process.versions.node,
    ...(blasCore && { openblasCore: blasCore }),
    // Above the number of cores everybody is too slow.
    loadAverage: Number(os.loadavg()[0].toFixed(2)),
  };
}

/**
 * The kernels that OpenBLAS is told to use, where it would not find the best ones itself: the one of
 * Debian 12 takes Intel's processors since Sapphire Rapids for one that has SSE3 only, and multiplies at
 * a fifth of their speed. Undefined leaves the choice to OpenBLAS.
 */
const blasCore = process.env.OPENBLAS_CORETYPE ?? (isNewIntel() ? 'SkylakeX' : undefined);

/** The environment of a Python that computes for comparison. */
export function pythonEnvironment() {
  return { ...process.env, ...(blasCore && { OPENBLAS_CORETYPE: blasCore }) };
}

function isNewIntel() {
  const file = '/proc/cpuinfo';
  if (!existsSync(file)) return false;
  const text = readFileSync(file, 'utf8');
  return text.includes('GenuineIntel') && /\bavx512_vbmi2\b/.test(text);
}
