import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../src/program.ts';
import { fail, succeed, vq4dit } from './support/cli.ts';
import { TINY } from './support/models.ts';

const program = createProgram('0');

describe('help', () => {
  it.each(program.commands)('$_name --help names every argument and option', async (command) => {
    const { stdout, stderr } = await succeed([command.name(), '--help']);
    expect(stderr).toBe('');
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(command.description());
    for (const option of [...command.options, ...program.options]) {
      expect(stdout, option.flags).toContain(option.long ?? option.flags);
    }
    for (const argument of command.registeredArguments) {
      expect(stdout).toContain(argument.name());
    }
  });

  it('of the program names every command', async () => {
    const { stdout } = await succeed(['--help']);
    for (const command of program.commands) expect(stdout).toContain(`  ${command.name()} `);
    expect(stdout).toContain('vq4dit quantize model.pt out/q');
  });

  it('comes with exit code 2 where no command is given', async () => {
    const { code, stdout, stderr } = await vq4dit([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('Usage: vq4dit');
  });

  it('the version is that of the package', async () => {
    const manifest = await readFile(new URL('../package.json', import.meta.url), 'utf8');
    const { stdout } = await succeed(['--version']);
    expect(stdout).toBe(`${JSON.parse(manifest).version}\n`);
  });
});

describe('wrong usage is one line and exit code 2', () => {
  it.each([
    ['an unknown command', ['quantise'], /unknown command 'quantise' \(Did you mean quantize\?\)/],
    ['an unknown option', ['inspect', TINY, '--tensor'], /unknown option '--tensor'/],
    ['a missing argument', ['quantize', TINY], /missing required argument 'out'/],
    ['an argument too many', ['decode', 'a', 'b', 'c'], /too many arguments/],
    ['no output at all', ['sample', TINY], /nothing would be written; add --out, --images/],
    ['an option without value', ['sample', TINY, '--out'], /argument missing/],
    ['a value out of range', ['quantize', 'a', 'b', '--codewords', '0'], /integer from 1 to 65536/],
    [
      'a value that is no number',
      ['sample', 'a', '--out', 'b', '--cfg', 'x'],
      /number of at least 0/,
    ],
    [
      'an unknown choice',
      ['quantize', 'a', 'b', '--method', 'magic'],
      /Allowed choices are vq4dit, vq/,
    ],
    ['bits out of range', ['quantize', 'a', 'b', '--bits', '9'], /integer from 1 to 8/],
    [
      'options that contradict',
      ['quantize', 'a', 'b', '--bits', '2', '--codewords', '8'],
      /'--codewords/,
    ],
  ])('%s', async (_what, args, message) => {
    await fail(args, message, { code: 2 });
  });
});
