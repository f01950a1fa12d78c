/**
 * HTML in which everything is escaped but what is marked as HTML: what models say, and what files name, is hostile input.
 *
 * @module
 */

import { printable } from '../../core/errors.ts';

/** HTML that is safe as it stands. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What stands between the parts of a page; a text is escaped. */
export type Content = Markup | string | number | undefined | readonly Content[];

/** A template of HTML. Values stand between tags or in attributes in double quotes, nowhere else. */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(parts.reduce((text, part, i) => text + contentText(values[i - 1]) + part));
}

/** The HTML of a content. */
export function contentText(content: Content): string {
  if (content === undefined) return '';
  if (content instanceof Markup) return content.text;
  if (typeof content === 'string') return escapeText(content);
  if (typeof content === 'number') return String(content);
  return content.map(contentText).join('');
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * A text as it stands in HTML and SVG, between tags and in attributes. Lines and tabs stay; other control characters and marks of direction,
 * which would change what stands around them, become visible escapes.
 */
export function escapeText(text: string): string {
  return shown(text).replaceAll(/[&<>"']/g, (character) => escapes[character]!);
}

/** A text of which every character shows, lines and tabs as they are. */
export function shown(text: string): string {
  const parts = text.replaceAll('\r\n', '\n').split(/([\n\t])/);
  return parts.map((part, i) => (i % 2 === 1 ? part : printable(part))).join('');
}
