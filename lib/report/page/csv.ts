/**
 * Rows as comma-separated values (RFC 4180), and links that save them without a network or a script.
 *
 * @module
 */

import { html, type Markup } from './html.ts';

export type Cell = string | number | boolean | undefined;

/** One row of a figure's or a table's data, by the names of its columns. */
export type DataRow = Readonly<Record<string, Cell>>;

/** Rows with a header; columns are in the order in which rows have them. */
export function csvText(rows: readonly DataRow[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = [columns.map(field), ...rows.map((row) => columns.map((column) => field(row[column])))];
  return `${lines.map((line) => line.join(',')).join('\r\n')}\r\n`;
}

/** A field. Spreadsheets take a text that begins so for a formula; an apostrophe before it keeps it a text. */
function field(value: Cell): string {
  if (value === undefined) return '';
  if (typeof value !== 'string') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A link that saves the rows as a file. */
export function csvLink(name: string, rows: readonly DataRow[]): Markup {
  const bytes = Buffer.from(csvText(rows)).toString('base64');
  return html`<a class="download" download="${name}.csv" href="data:text/csv;charset=utf-8;base64,${bytes}">Data as CSV<span class="quiet"> (${rows.length} rows)</span></a>`;
}
