import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The workspace's root folder. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The linter's start script, to be run with the Node that runs the tool. */
export const biome = fileURLToPath(import.meta.resolve('@biomejs/biome/bin/biome'));
