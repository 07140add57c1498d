import fc from 'fast-check';
import { expect, test } from 'vitest';
import { markdownTable, renderPage } from '../src/index.ts';
import { findAll } from './html.ts';
import { pageOf } from './pages.ts';

/** Strings that mean something to a parser, and any others. */
const hostile = fc.oneof(
  fc.constantFrom(
    '</title><script>alert(1)</script>',
    '</style><img src=x onerror=alert(1)>',
    '" onload="alert(1)',
    "' onload='alert(1)",
    '&lt;b&gt; &quot; &#39; &amp;amp;',
    ']]></svg><!-- --><script>',
    '\u0000\ud800\r\n\ufffe',
    'url(javascript:alert(1))',
    'red',
    'none',
  ),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
);
/** Series, groups and labels must differ, so each string has a number. */
const numbered = (strings: readonly string[]) => (i: number) =>
  `${strings[i % strings.length]}#${i}`;

test('no string changes what the file consists of', () => {
  const harmless = findAll(renderPage(pageOf((i) => `name ${i}`))).structure;
  fc.assert(
    fc.property(fc.array(hostile, { minLength: 1, maxLength: 8 }), (strings) => {
      const { structure, errors } = findAll(renderPage(pageOf(numbered(strings))));
      // An empty line in a text makes one paragraph more; nothing else may differ.
      const apart = (list: readonly string[]) => list.filter((line) => line !== 'p ');
      expect(apart(structure)).toEqual(apart(harmless));
      expect(errors).toEqual([]);
    }),
    { numRuns: 60 },
  );
});

test('readers see the very string that was given', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 12 }), (string) => {
      const title = `${string}.`;
      const { texts, attributes } = findAll(renderPage({ ...pageOf((i) => `n${i}`), title }));
      expect(texts.filter((found) => found === title)).toHaveLength(2);
      const chart = { ...pageOf((i) => `${title}${i}`) };
      const labels = findAll(renderPage(chart)).attributes.filter(
        ({ name }) => name === 'aria-label',
      );
      expect(labels.some(({ value }) => value.startsWith(title))).toBe(true);
      expect(attributes.every(({ name }) => !name.startsWith('on'))).toBe(true);
    }),
    { numRuns: 40 },
  );
});

test('a file asks for nothing from outside', () => {
  const { attributes, structure } = findAll(renderPage(pageOf((i) => `name ${i}`)));
  const links = attributes.filter(({ name }) =>
    ['src', 'href', 'xlink:href', 'action'].includes(name),
  );
  expect(links.length).toBeGreaterThan(0);
  for (const { value } of links) expect(value).toMatch(/^data:image\/png;base64,/);
  expect(structure.filter((line) => /^(script|link|iframe|object)\b/.test(line))).toEqual([]);
});

test('a Markdown table has the rows and cells that were given', () => {
  fc.assert(
    fc.property(hostile, (string) => {
      const table = markdownTable({
        kind: 'table',
        columns: ['a', 'b'],
        rows: [
          [string, 1],
          ['x', 2],
        ],
      });
      const lines = table.split('\n');
      expect(lines).toHaveLength(4);
      for (const line of lines) expect(line.match(/(?<!\\)(\\\\)*\|/g)).toHaveLength(3);
      expect(table).not.toMatch(/(?<!\\)[<>]/);
    }),
  );
});
