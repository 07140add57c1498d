import { spawn } from 'node:child_process';

/**
 * Before all tests: a virtual display for headless WebGL, where the machine has none. Test files are
 * processes of their own and inherit DISPLAY.
 */
export async function setup(): Promise<(() => void) | undefined> {
  if (process.platform !== 'linux' || process.env.DISPLAY) return undefined;
  // Xvfb chooses a free display and writes its number to file descriptor 3.
  const args = ['-displayfd', '3', '-screen', '0', '64x64x24', '-nolisten', 'tcp'];
  const server = spawn('Xvfb', args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  const display = await new Promise<string | undefined>((resolve) => {
    server.once('error', () => resolve(undefined));
    server.once('exit', () => resolve(undefined));
    server.stdio[3]!.once('data', (data: Buffer) => resolve(data.toString().trim()));
  });
  if (display === undefined) return undefined;
  process.env.DISPLAY = `:${display}`;
  return () => {
    server.kill();
  };
}
