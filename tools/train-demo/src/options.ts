import { Command, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_SETTINGS } from './settings.ts';

/** Where Debian's package `dataset-fashion-mnist` puts the data. */
const DEBIAN_FOLDER = '/usr/share/datasets/fashion-mnist';

/** The command line's options. */
export interface Flags {
  readonly data: string;
  readonly out: string;
  readonly config?: string;
  readonly init?: string;
  readonly steps: number;
  readonly batch: number;
  readonly lr: number;
  readonly finalRate: number;
  readonly warmup: number;
  readonly weightDecay: number;
  readonly ema: number;
  readonly seed: number;
  readonly backend?: string;
  readonly threads?: number;
  readonly saveEvery: number;
  readonly sampleEvery: number;
  readonly export?: boolean;
  readonly quiet?: boolean;
}

/** The command, with `run` as what it does. */
export function createCommand(run: (flags: Flags) => Promise<void>): Command {
  const { steps, batch, learningRate, finalRate, warmup, weightDecay, ema, seed } =
    DEFAULT_SETTINGS;
  return new Command('train-demo')
    .description(
      'Trains the demo DiT on Fashion-MNIST. Run the same command again to go on after a stop; ' +
        'the weights become the same as without it.',
    )
    .option('--data <folder>', "the training set's idx files, packed or not", DEBIAN_FOLDER)
    .option('--out <folder>', 'where everything is written', 'out/train-demo')
    .option('--init <model>', 'start from the weights of a trained model, not from new ones')
    .option('--steps <n>', 'training steps', integer(1), steps)
    .option('--batch <n>', 'images of one step', integer(1), batch)
    .option('--lr <rate>', 'learning rate after the warm-up', number(0), learningRate)
    .option('--final-rate <share>', 'share of it at the end of the cosine', number(0, 1), finalRate)
    .option('--warmup <n>', 'steps in which the learning rate grows', integer(0), warmup)
    .option('--weight-decay <rate>', 'of AdamW', number(0), weightDecay)
    .option('--ema <decay>', 'of the moving average of the weights', number(0, 1), ema)
    .option('--seed <n>', 'seed of everything random', integer(0), seed)
    .option('--backend <id>', 'tensor backend; default: the best that runs here')
    .option('--threads <n>', 'threads, for backends that have them', integer(1, 256))
    .option('--save-every <n>', 'steps between two saved states', integer(1), 200)
    .option('--sample-every <n>', 'steps between two sample sheets; 0: none', integer(0), 1000)
    .option('--export', 'write the model of the last saved state and train no further')
    .option('--quiet', 'nothing on stderr but errors')
    .addOption(
      new Option('--config <file>', 'config.json of another model than the demo model').hideHelp(),
    )
    .action(run);
}

function integer(min: number, max = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be an integer of at least ${min}.`);
    }
    return value;
  };
}

function number(min: number, max = Number.MAX_VALUE) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= min && value <= max)) {
      throw new InvalidArgumentError(`It must be a number of at least ${min}.`);
    }
    return value;
  };
}
