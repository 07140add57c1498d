import { nodeProcess } from './node.ts';

/** Where the driver shows itself: Linux, Linux inside Windows (WSL 2), Windows. */
const DRIVERS: Readonly<Record<string, readonly string[]>> = {
  linux: ['/proc/driver/nvidia/version', '/usr/lib/wsl/lib/libcuda.so.1'],
  win32: ['C:\\Windows\\System32\\nvcuda.dll'],
};
const GPUS = '/proc/driver/nvidia/gpus';

/**
 * True where a driver of NVIDIA is installed. Without one CUDA finds no GPU, and TensorFlow, which
 * takes seconds to load, need not be asked.
 */
export function hasNvidiaDriver(): boolean {
  const process = nodeProcess();
  const fs = process?.getBuiltinModule?.('node:fs');
  return (fs && DRIVERS[process!.platform]?.some((path) => fs.existsSync(path))) ?? false;
}

/** The model of the GPUs, where the driver tells it and all are of one model. */
export function nvidiaGpuModel(): string | undefined {
  const fs = nodeProcess()?.getBuiltinModule?.('node:fs');
  if (!fs?.existsSync(GPUS)) return undefined;
  const models = fs.readdirSync(GPUS).map((gpu) => {
    const text = fs.readFileSync(`${GPUS}/${gpu}/information`, 'utf8');
    return /^Model:\s*(.+)$/m.exec(text)?.[1]?.trim();
  });
  return new Set(models).size === 1 ? models[0] : undefined;
}
