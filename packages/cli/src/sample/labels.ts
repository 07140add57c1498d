import { ArgumentError } from '@vq4dit/core';
import type { DiTConfig } from '@vq4dit/dit';
import { classNamesOf, findClass } from './class-names.ts';

/**
 * Labels from a list such as `0,3,bag`: numbers, or class names where the model has them.
 *
 * @param classNames from the model's config
 * @param fallback the labels where no list is given
 * @throws ArgumentError for a label that the model does not have
 */
export function parseLabels(
  text: string | undefined,
  config: DiTConfig,
  classNames: readonly string[] | undefined,
  fallback: readonly number[],
): number[] {
  if (text === undefined) return [...fallback];
  const names = classNamesOf(config, classNames);
  return text.split(',').map((part) => labelOf(part.trim(), config, names));
}

function labelOf(
  text: string,
  { numClasses }: DiTConfig,
  names: readonly string[] | undefined,
): number {
  if (/^\d+$/.test(text) && Number(text) < numClasses) return Number(text);
  if (names) return findClass(text, names);
  throw new ArgumentError(`There is no label "${text}"; labels are 0 to ${numClasses - 1}.`);
}
