import { ModelError } from '@vq4dit/core';
import { ATTENTION } from './layers.ts';

/**
 * The names that a file uses for a decoder's layers.
 *
 * Three schemes are in use: that of the original program (CompVis; levels are numbered against the
 * order of decoding), that of diffusers, and that of diffusers before its attention layers were
 * renamed. All may stand under a prefix, such as `first_stage_model.` in a checkpoint of the whole
 * of Stable Diffusion.
 */
export interface VaeNames {
  readonly scheme: 'compvis' | 'diffusers';
  /** What stands before `decoder.` and `post_quant_conv.` in the file. */
  readonly prefix: string;
  readonly levels: number;
  /** Residual blocks of the longest level. */
  readonly resnets: number;
  /** The name in the file of a layer by its path in the names of today's diffusers. */
  stored(path: string): string;
}

const FIRST = 'decoder.conv_in.weight';

/**
 * Finds out which names a file uses.
 *
 * @param where what error messages call the file
 * @throws ModelError where there is no decoder, or more than one
 */
export function findNames(names: readonly string[], where: string): VaeNames {
  const prefixes = names
    .filter((name) => name === FIRST || name.endsWith(`.${FIRST}`))
    .map((name) => name.slice(0, -FIRST.length));
  if (prefixes.length !== 1) {
    throw new ModelError(
      prefixes.length === 0
        ? `${where}: there is no tensor ${FIRST}; the decoder of a KL autoencoder is needed, such as stabilityai/sd-vae-ft-ema or -mse.`
        : `${where}: there are ${prefixes.length} decoders (under ${prefixes.map((p) => JSON.stringify(p)).join(', ')}); give a file with one.`,
    );
  }
  const prefix = prefixes[0]!;
  const start = `${prefix}decoder.`;
  const inner = names.filter((name) => name.startsWith(start)).map((n) => n.slice(start.length));
  const compvis = inner.some((name) => /^(mid|up)\./.test(name));
  const level = compvis ? /^up\.(\d+)\./ : /^up_blocks\.(\d+)\./;
  const resnet = compvis ? /^up\.\d+\.block\.(\d+)\./ : /^up_blocks\.\d+\.resnets\.(\d+)\./;
  const levels = highest(inner, level) + 1;
  const oldAttention = inner.some((name) => name.startsWith('mid_block.attentions.0.query.'));
  const rename = compvis ? compvisName(levels) : oldAttention ? oldDiffusersName : same;
  return {
    scheme: compvis ? 'compvis' : 'diffusers',
    prefix,
    levels,
    resnets: highest(inner, resnet) + 1,
    stored: (path) => `${prefix}${rename(path)}`,
  };
}

function highest(names: readonly string[], pattern: RegExp): number {
  return names.reduce((most, name) => Math.max(most, Number(pattern.exec(name)?.[1] ?? -1)), -1);
}

const same = (path: string): string => path;

const OLD_ATTENTION: Readonly<Record<string, string>> = {
  to_q: 'query',
  to_k: 'key',
  to_v: 'value',
  'to_out.0': 'proj_attn',
};

function oldDiffusersName(path: string): string {
  const part = attentionPart(path);
  return part === undefined ? path : `${ATTENTION}.${OLD_ATTENTION[part] ?? part}`;
}

const COMPVIS_ATTENTION: Readonly<Record<string, string>> = {
  group_norm: 'norm',
  to_q: 'q',
  to_k: 'k',
  to_v: 'v',
  'to_out.0': 'proj_out',
};

function compvisName(levels: number): (path: string) => string {
  return (path) => {
    const part = attentionPart(path);
    if (part !== undefined) return `decoder.mid.attn_1.${COMPVIS_ATTENTION[part]}`;
    return path
      .replace(/mid_block\.resnets\.(\d+)/, (_, i) => `mid.block_${Number(i) + 1}`)
      .replace(/up_blocks\.(\d+)/, (_, level) => `up.${levels - 1 - Number(level)}`)
      .replace(/\.resnets\.(\d+)/, '.block.$1')
      .replace('.upsamplers.0.', '.upsample.')
      .replace('.conv_shortcut', '.nin_shortcut')
      .replace('.conv_norm_out', '.norm_out');
  };
}

function attentionPart(path: string): string | undefined {
  return path.startsWith(`${ATTENTION}.`) ? path.slice(ATTENTION.length + 1) : undefined;
}
