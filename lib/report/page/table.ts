/**
 * Tables whose columns sort, by pointer and keyboard; without a script they are tables all the same.
 *
 * @module
 */

import { csvLink, type DataRow } from './csv.ts';
import { type Content, html, Markup } from './html.ts';

export interface Column<Row> {
  readonly head: string;
  /** What the column is, in a sentence, where the head does not say it all. */
  readonly text?: string | undefined;
  readonly cell: (row: Row) => Content;
  /** What rows are sorted by; absent: the cell, which is then a text. A row without one comes last. */
  readonly by?: (row: Row) => number | string | undefined;
}

export interface TableParts<Row> {
  /** Unlike that of any other on the page. */
  readonly id: string;
  readonly caption: Content;
  /** The first names the row. */
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  /** What its link saves; absent: no link. */
  readonly data?: readonly DataRow[];
}

export function table<Row>({ id, caption, columns, rows, data }: TableParts<Row>): Markup {
  const heads = columns.map(
    ({ head, text }) => html`<th scope="col" title="${text ?? ''}"><button type="button">${head}</button></th>`,
  );
  const lines = rows.map((row) => html`<tr>${columns.map((column, i) => cell(column, row, i === 0))}</tr>`);
  return html`<div class="table-part"><div class="scrolls" id="${id}-place" tabindex="0" role="region" aria-labelledby="${id}-caption">
<table class="sorts" id="${id}"><caption id="${id}-caption">${caption}</caption>
<thead><tr>${heads}</tr></thead>
<tbody>${lines}</tbody></table></div>${data && csvLink(id, data)}</div>\n`;
}

function cell<Row>({ cell, by }: Column<Row>, row: Row, isFirst: boolean): Markup {
  const content = cell(row);
  const key = by ? by(row) : typeof content === 'string' || typeof content === 'number' ? content : undefined;
  const attributes = new Markup(`${isFirst ? ' scope="row"' : ''}${typeof key === 'number' ? ' class="number"' : ''}`);
  const name = new Markup(isFirst ? 'th' : 'td');
  return html`<${name}${attributes} data-by="${key ?? ''}">${content}</${name}>`;
}
