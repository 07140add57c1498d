import { ArgumentError } from '@vq4dit/core';
import type { DiTConfig } from '@vq4dit/dit';
import { IMAGENET_CLASSES } from './imagenet-classes.ts';

/** Where there are more classes than this, an unknown name is answered with the nearest ones. */
const LISTED = 20;
const SUGGESTIONS = 3;

/**
 * The names of a model's classes: its own where its config has them, those of ImageNet where it has
 * as many classes, else none. A name may consist of synonyms, separated by commas.
 */
export function classNamesOf(
  { numClasses }: DiTConfig,
  own: readonly string[] | undefined,
): readonly string[] | undefined {
  return own ?? (numClasses === IMAGENET_CLASSES.length ? IMAGENET_CLASSES : undefined);
}

/** The first of a class's synonyms. */
export function shortName(name: string): string {
  return name.split(',')[0]!.trim();
}

/**
 * The class of that name: the whole name or one of its synonyms, in upper or lower case.
 *
 * @throws ArgumentError where no class or more than one has the name
 */
export function findClass(text: string, names: readonly string[]): number {
  const wanted = text.toLowerCase();
  const found = [...names.keys()].filter((i) => synonyms(names[i]!).includes(wanted));
  if (found.length === 1) return found[0]!;
  if (found.length > 1) {
    const whole = found.map((i) => `${i} (${names[i]})`).join(' and ');
    throw new ArgumentError(`"${text}" names more than one class: ${whole}; give the number.`);
  }
  throw new ArgumentError(`There is no label "${text}"; ${alternatives(wanted, names)}.`);
}

function alternatives(wanted: string, names: readonly string[]): string {
  const range = `labels are 0 to ${names.length - 1}, or a name`;
  if (names.length <= LISTED) return `${range}: ${names.join(', ')}`;
  return `did you mean ${nearest(wanted, names).join(', ')}? Otherwise: ${range}`;
}

/** The classes with the nearest synonyms, each with its number. */
function nearest(wanted: string, names: readonly string[]): string[] {
  const scored = names.map((name, i) => {
    const all = synonyms(name).map((synonym) => [distance(wanted, synonym), synonym] as const);
    const [score, synonym] = all.reduce((best, next) => (next[0] < best[0] ? next : best));
    return { score, text: `${synonym} (${i})` };
  });
  scored.sort((a, b) => a.score - b.score);
  return scored.slice(0, SUGGESTIONS).map(({ text }) => text);
}

/** Edits between two words by their length; a word that contains the other one is near. */
function distance(a: string, b: string): number {
  const longest = Math.max(a.length, b.length, 1);
  const contained = a.length > 2 && b.includes(a) ? 0.3 * (1 - a.length / longest) : 1;
  return Math.min(contained, levenshtein(a, b) / longest);
}

function levenshtein(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row.at(-1)!;
}

function synonyms(name: string): string[] {
  const whole = name.toLowerCase();
  return [whole, ...whole.split(',').map((part) => part.trim())];
}
