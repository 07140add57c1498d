import { ArgumentError } from '@vq4dit/core';
import type { DiTConfig } from '@vq4dit/dit';

/** How many classes are drawn where none is asked for. */
const DEFAULT_CLASSES = 10;

/**
 * Labels from a list such as `0,3,bag`: numbers, or class names where the model has them.
 *
 * @throws ArgumentError for a label that the model does not have
 */
export function parseLabels(
  text: string | undefined,
  config: DiTConfig,
  classNames: readonly string[] | undefined,
): number[] {
  if (text === undefined) {
    return Array.from({ length: Math.min(DEFAULT_CLASSES, config.numClasses) }, (_, i) => i);
  }
  const labels = text.split(',').map((part) => labelOf(part.trim(), config, classNames));
  return labels;
}

function labelOf(
  text: string,
  { numClasses }: DiTConfig,
  classNames: readonly string[] | undefined,
): number {
  if (/^\d+$/.test(text) && Number(text) < numClasses) return Number(text);
  const wanted = text.toLowerCase();
  const named = classNames?.findIndex((name) => name.toLowerCase() === wanted) ?? -1;
  if (named >= 0) return named;
  const names = classNames ? `, or a name: ${classNames.join(', ')}` : '';
  throw new ArgumentError(
    `There is no label "${text}"; labels are 0 to ${numClasses - 1}${names}.`,
  );
}
