/**
 * Tables whose columns sort, by pointer and keyboard; without a script they are tables all the same.
 *
 * @module
 */

import { csvLink, type DataRow } from './csv.ts';
import { type Content, html, Markup } from './html.ts';

export interface Column<Row> {
  readonly head: string;
  /** Stands before the head, where several columns belong together. */
  readonly group?: string;
  /** What the column is, in a sentence, where the head does not say it all. */
  readonly text?: string | undefined;
  readonly cell: (row: Row) => Content;
  /** What rows are sorted by; absent: the cell, which is then a text. A row without one comes last. */
  readonly by?: (row: Row) => number | string | undefined;
}

/** Longer tables scroll by themselves. */
const mostRows = 40;

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
  const cells = columns.map((column) => columnCells(column, rows));
  const heads = columns.map(({ head, group, text }, i) => {
    const above = group === undefined || group === '' ? undefined : html`<span class="quiet">${group}</span> `;
    const kind = new Markup(cells[i]!.isNumeric ? ' class="number"' : '');
    const about = text === undefined || text === '' ? undefined : html` title="${text}"`;
    return html`<th scope="col"${kind}${about}><button type="button">${above}${head}</button></th>`;
  });
  const lines = rows.map((_, row) => html`<tr>${cells.map(({ at }) => at[row])}</tr>`);
  const tall = new Markup(rows.length > mostRows ? ' tall' : '');
  return html`<div class="table-part"><p class="caption" id="${id}-caption">${caption}</p>
<div class="scrolls${tall}" id="${id}-place" tabindex="0" role="region" aria-labelledby="${id}-caption">
<table class="sorts" id="${id}" aria-labelledby="${id}-caption">
<thead><tr>${heads}</tr></thead>
<tbody>${lines}</tbody></table></div>${data && csvLink(id, data)}</div>\n`;

  function columnCells({ cell, by }: Column<Row>, all: readonly Row[]) {
    const isFirst = cell === columns[0]?.cell;
    const contents = all.map(cell);
    const keys = all.map((row, i) => (by ? by(row) : keyOf(contents[i])));
    const isNumeric = keys.some((key) => typeof key === 'number');
    const name = new Markup(isFirst ? 'th' : 'td');
    const attributes = new Markup(`${isFirst ? ' scope="row"' : ''}${isNumeric ? ' class="number"' : ''}`);
    const at = contents.map(
      (content, i) => html`<${name}${attributes} data-by="${keys[i] ?? ''}">${content}</${name}>`,
    );
    return { isNumeric, at };
  }
}

/** What a cell without another key is sorted by. */
function keyOf(content: Content): string | number | undefined {
  return typeof content === 'string' || typeof content === 'number' ? content : undefined;
}
