import { parseHTML } from 'linkedom';
import { element, type Markup } from '../markup.ts';

/** What is used of the nodes that the plotting library makes. */
interface SvgNode {
  readonly nodeType: number;
  readonly nodeName: string;
  readonly nodeValue: string | null;
  readonly childNodes: Iterable<SvgNode>;
  readonly attributes?: Iterable<{ readonly name: string; readonly value: string }>;
}

const TEXT_NODE = 3;
const ELEMENT_NODE = 1;
/** Attributes that hold coordinates. Their last digits show nothing and differ between machines. */
const COORDINATES = new Set('d,transform,x,y,x1,x2,y1,y2,cx,cy,r,width,height,points'.split(','));

/** The document in which the plotting library makes its nodes; there is no browser. */
export const { document } = parseHTML('<!doctype html><html><body></body></html>');

/**
 * Writes nodes out, with every text and attribute escaped, coordinates to 0.01 pixels, and without
 * style elements: the page has one style for all charts.
 */
export function serialize(node: SvgNode): Markup {
  const attributes: Record<string, string> = {};
  for (const { name, value } of node.attributes ?? []) {
    attributes[name] = COORDINATES.has(name) ? rounded(value) : value;
  }
  const children = [];
  for (const child of node.childNodes) {
    if (child.nodeType === TEXT_NODE) children.push(child.nodeValue ?? '');
    if (child.nodeType !== ELEMENT_NODE || child.nodeName.toLowerCase() === 'style') continue;
    children.push(serialize(child));
  }
  const name =
    node.nodeName === node.nodeName.toUpperCase() ? node.nodeName.toLowerCase() : node.nodeName;
  return element(name, attributes, ...children);
}

function rounded(value: string): string {
  return value.replace(/-?\d+\.\d{3,}(e-?\d+)?/g, (number) =>
    String(Number(Number(number).toFixed(2))),
  );
}
