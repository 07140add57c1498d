import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openModel, outputError, writeFileAtomic } from '@vq4dit/checkpoint';
import { ArgumentError } from '@vq4dit/core';
import { markdownTable, renderPage } from '@vq4dit/report';
import { Command, Option } from 'commander';
import { rateArguments } from '../compare/methods.ts';
import { methodsOf } from '../compare/plan.ts';
import { doStep, writeJson } from '../compare/step.ts';
import { type CommandContext, type GlobalOptions, withContext } from '../context.ts';
import { diagnosisPage, findingsTable } from '../diagnose/report.ts';
import { runDiagnosis, type Subject } from '../diagnose/run.ts';
import { integer } from '../terminal/parse.ts';

interface DiagnoseFlags extends GlobalOptions {
  out: string;
  methods: string[];
  bits: '2' | '3' | '4';
  before?: string;
  after?: string[];
  steps: number;
  pairs: number;
  seed: number;
  trajectories?: number;
  calibrationSteps?: number;
  config?: string;
}

export function diagnoseCommand(): Command {
  return new Command('diagnose')
    .summary('see why assignments have to be calibrated: gradients and chosen candidates')
    .description(
      'Two figures for any model. First, the cosine similarity between the gradients of sub-vectors that ' +
        'share a codeword, for plain vector quantization and after calibration: where it is low, one codeword ' +
        'is pulled in many directions. Second, how often the nearest, second, third nearest codeword is chosen. ' +
        'Quantizes the model first, unless artefacts are given.',
    )
    .argument('<model>', 'a checkpoint')
    .option('--out <folder>', 'where to write', 'out/diagnose')
    .option(
      '--methods <list>',
      'calibrated methods, named as in compare',
      (text) => text.split(','),
      ['paper', 'best'],
    )
    .addOption(new Option('--bits <n>', 'bits per weight').choices(['2', '3', '4']).default('2'))
    .option('--before <artefact>', 'an artefact of --method vq that is there already')
    .option('--after <artefact...>', 'calibrated artefacts of the same seed and codebooks')
    .option('--steps <n>', 'sampling steps whose gradients are summed', integer(1, 1000), 10)
    .option('--pairs <n>', 'pairs drawn from each layer for the histogram', integer(1), 2000)
    .option(
      '--trajectories <n>',
      'trajectories of each calibration (default: that of quantize)',
      integer(1),
    )
    .option(
      '--calibration-steps <n>',
      'steps of each (default: that of quantize)',
      integer(1, 1000),
    )
    .option('--seed <n>', 'seed of everything random', integer(0), 0)
    .option('--config <file>', "JSON with the DiT's arguments, where the checkpoint has none")
    .addHelpText(
      'after',
      `
Examples:
  vq4dit diagnose model.pt --out out/why
  vq4dit diagnose model.pt --before out/vq --after out/paper out/best`,
    )
    .action((model: string, flags: DiagnoseFlags, command: Command) =>
      withContext(command, (context) =>
        diagnose(context, model, { ...flags, ...command.optsWithGlobals<GlobalOptions>() }),
      ),
    );
}

async function diagnose(
  context: CommandContext,
  model: string,
  flags: DiagnoseFlags,
): Promise<void> {
  const { out, steps, pairs, seed, config } = flags;
  if ((flags.before === undefined) !== (flags.after === undefined)) {
    throw new ArgumentError('--before and --after belong together; give both, or none.');
  }
  const original = await openModel(model, config ? { configPath: config } : {});
  await original.close();
  if (original.kind !== 'checkpoint') {
    throw new ArgumentError(`${model} is quantized already; diagnose the original.`);
  }
  await mkdir(out, { recursive: true }).catch((error: unknown) => {
    throw outputError(out, error);
  });
  const [before, after] = await subjects(context, model, flags);
  const job = { model, config, before, after, steps, seed, pairs };
  const findings = await runDiagnosis(context, job);
  const files = [join(out, 'diagnosis.json'), join(out, 'diagnosis.html')] as const;
  const settings = { model, bits: flags.bits, steps, seed, pairs };
  // The drawn pairs are in the page; here they would be most of the file.
  const slim = findings.map(({ layers, ...finding }) => ({
    ...finding,
    layers: layers.map(({ sample: _, ...layer }) => layer),
  }));
  await writeJson(files[0], { ...settings, findings: slim });
  const page = renderPage(
    diagnosisPage(findings, `${model}, ${steps} sampling steps, seed ${seed}`),
  );
  await writeFileAtomic(files[1], [new TextEncoder().encode(page)]);
  context.reporter.result({ ...settings, files, findings: slim }, () =>
    [markdownTable(findingsTable(findings)), `Wrote ${files.join(', ')}.`].join('\n\n'),
  );
}

/** The artefacts that were given, or those that worker processes make now; each is made once. */
async function subjects(
  { reporter, signal }: CommandContext,
  model: string,
  { out, methods, before, after, bits, seed, config, backend, ...budget }: DiagnoseFlags,
): Promise<[Subject, Subject[]]> {
  if (before !== undefined && after !== undefined) {
    return [{ title: before, path: before }, after.map((path) => ({ title: path, path }))];
  }
  const [plain, ...calibrated] = methodsOf(['vq', ...methods]);
  const task = reporter.task('Models', calibrated.length + 1);
  const made: Subject[] = [];
  try {
    for (const method of [plain!, ...calibrated]) {
      const folder = join(out, method.name);
      const path = join(folder, 'artefact');
      const { trajectories, calibrationSteps } = budget;
      const args = [
        ...['quantize', model, path, '--method', method.method],
        ...[...rateArguments(method, Number(bits))!, ...method.args, '--seed', String(seed)],
        ...(config ? ['--config', config] : []),
        ...(backend ? ['--backend', backend] : []),
        ...(method.calibrated && trajectories ? ['--trajectories', String(trajectories)] : []),
        ...(method.calibrated && calibrationSteps ? ['--steps', String(calibrationSteps)] : []),
      ];
      const onLine = (line: string) => task.update(made.length, `${method.name}: ${line}`);
      await doStep(folder, 'quantize', args, { signal, onLine });
      made.push({ title: method.title, path });
      task.update(made.length);
    }
  } finally {
    task.end();
  }
  const [first, ...others] = made;
  return [first!, others];
}
