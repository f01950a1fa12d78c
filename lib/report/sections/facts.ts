/**
 * Names with their values, below each other.
 *
 * @module
 */

import { type Content, html, type Markup } from '../page/html.ts';

/** Those that have a value. */
export function facts(entries: readonly (readonly [name: string, value: Content])[]): Markup {
  const given = entries.filter(([, value]) => value !== undefined && value !== '');
  return html`<dl class="facts">${given.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>\n`;
}
