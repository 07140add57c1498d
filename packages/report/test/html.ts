import { type DefaultTreeAdapterMap, parse } from 'parse5';

type Node = DefaultTreeAdapterMap['node'];

/** What a browser's parser (parse5 follows the HTML standard) finds in a file. */
export interface Found {
  /** Names of elements and of their attributes, in order: what the file is, without its texts. */
  readonly structure: string[];
  readonly texts: string[];
  readonly attributes: { element: string; name: string; value: string }[];
  /** Codes of the errors that the standard names. */
  readonly errors: string[];
}

/** Parses a whole file. */
export function findAll(html: string): Found {
  const found: Found = { structure: [], texts: [], attributes: [], errors: [] };
  const onParseError = ({ code }: { code: string }) => found.errors.push(code);
  const visit = (node: Node): void => {
    if (node.nodeName === '#text')
      found.texts.push((node as DefaultTreeAdapterMap['textNode']).value);
    if (node.nodeName === '#comment') found.structure.push('#comment');
    if ('attrs' in node) {
      found.structure.push(`${node.tagName} ${node.attrs.map(({ name }) => name).join(' ')}`);
      for (const { name, value } of node.attrs) {
        found.attributes.push({ element: node.tagName, name, value });
      }
    }
    if ('childNodes' in node) for (const child of node.childNodes) visit(child);
  };
  visit(parse(html, { onParseError }));
  return found;
}
