/** XML as a tree of plain values and its one text: two-space indent, attributes in the order given, LF. */

export type XmlChild = XmlElement | string | null | readonly XmlChild[];

export interface XmlElement {
  readonly name: string;
  readonly attributes: { readonly [name: string]: string | number | boolean | null };
  readonly children: readonly XmlChild[];
}

/** An element; attributes and children that are null are left out. */
export function xml(
  name: string,
  attributes: XmlElement['attributes'] = {},
  ...children: readonly XmlChild[]
): XmlElement {
  return { name, attributes, children };
}

/** The document's text. An element holds either elements or text, never both. */
export function xmlText(root: XmlElement): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${elementText(root, '')}`;
}

function elementText(element: XmlElement, indent: string): string {
  const attributes = Object.entries(element.attributes)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => ` ${name}="${escapedAttribute(String(value))}"`)
    .join('');
  const children = flat(element.children);
  if (children.length === 0) return `${indent}<${element.name}${attributes}/>\n`;
  const texts = children.filter((child) => typeof child === 'string');
  if (texts.length > 0)
    return `${indent}<${element.name}${attributes}>${escapedText(texts.join(''))}</${element.name}>\n`;
  const inner = children.map((child) => (typeof child === 'string' ? '' : elementText(child, `${indent}  `)));
  return `${indent}<${element.name}${attributes}>\n${inner.join('')}${indent}</${element.name}>\n`;
}

function flat(children: readonly XmlChild[]): readonly (XmlElement | string)[] {
  return children.flatMap((child): readonly (XmlElement | string)[] => {
    if (child === null) return [];
    return Array.isArray(child) ? flat(child) : [child as XmlElement | string];
  });
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\n': '&#10;',
  '\t': '&#9;',
};

/** For element content, where line breaks stay themselves. */
function escapedText(text: string): string {
  return legal(text).replace(/[&<>]/g, (character) => ENTITIES[character] as string);
}

/** For attributes, where a reader would turn a bare line break into a space. */
function escapedAttribute(text: string): string {
  return legal(text).replace(/[&<>"\n\t]/g, (character) => ENTITIES[character] as string);
}

/** LF for every line break; characters that XML 1.0 cannot hold in any spelling are dropped. */
function legal(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '');
}
