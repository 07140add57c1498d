/** Text that is HTML already. Only {@link element} and {@link text} make it, so it is well-formed. */
export class Markup {
  readonly html: string;
  constructor(html: string) {
    this.html = html;
  }
}

/** What may stand inside an element; strings are text and get escaped. */
export type Child = Markup | string;

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
/** Control characters, halves of surrogate pairs and code points that are no characters. */
const UNPRINTABLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
  /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\p{Surrogate}\p{Noncharacter_Code_Point}]/gu;
/** Elements of HTML that have no end tag. */
const VOID = new Set(['meta', 'img', 'col', 'br']);

/** Makes text safe between tags and in quoted attributes. */
export function escapeText(value: string): string {
  return printable(value).replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** Writes line ends as HTML does, and what no HTML file can hold as U+FFFD. */
export function printable(value: string): string {
  return value.replace(/\r\n?/g, '\n').replace(UNPRINTABLE, '\ufffd');
}

/**
 * An element. Attributes that are undefined are left out. Names of elements and attributes are
 * ours, never data.
 */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>> = {},
  ...children: readonly Child[]
): Markup {
  const parts = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escapeText(String(value))}"`);
  const start = `<${name}${parts.join('')}>`;
  if (VOID.has(name)) return new Markup(start);
  return new Markup(`${start}${joined(children)}</${name}>`);
}

/** Children one after another. */
export function joined(children: readonly Child[]): string {
  return children
    .map((child) => (child instanceof Markup ? child.html : escapeText(child)))
    .join('');
}

/** One paragraph for each part between empty lines. */
export function paragraphs(value: string): Markup[] {
  const parts = value.split(/\n\s*\n/).filter((part) => part.trim() !== '');
  return parts.map((part) => element('p', {}, part.trim()));
}
