import { Command } from 'commander';
import { compareCommand } from './commands/compare.ts';
import { conformanceCommand } from './commands/conformance.ts';
import { decodeCommand } from './commands/decode.ts';
import { demoCommand } from './commands/demo.ts';
import { diagnoseCommand } from './commands/diagnose.ts';
import { doctorCommand } from './commands/doctor.ts';
import { evalCommand } from './commands/eval.ts';
import { imagesCommand } from './commands/images.ts';
import { inspectCommand } from './commands/inspect.ts';
import { quantizeCommand } from './commands/quantize.ts';
import { sampleCommand } from './commands/sample.ts';
import { verifyCommand } from './commands/verify.ts';

/** The command line, ready to parse. */
export function createProgram(version: string): Command {
  const program = new Command('vq4dit')
    .description(
      'Makes Diffusion Transformers small: post-training vector quantization to about 2 bits ' +
        'per weight, without data.',
    )
    .version(version)
    .option(
      '--backend <id>',
      'tensor backend: an id of doctor, or a module. Default: the best here',
    )
    .option('--require-gpu', 'fail where the backend would run on a CPU')
    .option('--json', 'print the result as JSON on stdout')
    .option('--quiet', 'no progress and no notes on stderr')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: (text, write) => write(usageError(text)) })
    .addHelpText(
      'after',
      `
A first run:
  vq4dit demo                                quantize the model that comes along, draw, compare
  vq4dit quantize model.pt out/q             compress a checkpoint of your own
  vq4dit verify model.pt out/q --blocks      how far is it from the original?
  vq4dit sample model.pt out/q --out a.png   see both, side by side, from the same noise`,
    );
  const commands = [
    quantizeCommand(),
    sampleCommand(),
    imagesCommand(),
    decodeCommand(),
    inspectCommand(),
    verifyCommand(),
    evalCommand(),
    compareCommand(),
    diagnoseCommand(),
    doctorCommand(),
    demoCommand(),
    conformanceCommand(),
  ];
  for (const command of commands) {
    program.addCommand(command.copyInheritedSettings(program));
    for (const part of command.commands) part.copyInheritedSettings(command);
  }
  return program;
}

/** One line in the form of all other errors; commander's may have a second one, with a suggestion. */
function usageError(text: string): string {
  const line = text
    .replace(/^error: /, '')
    .trim()
    .replace(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '');
  return `vq4dit: ${line}; --help says what is possible.\n`;
}
