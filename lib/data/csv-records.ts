/**
 * The records of a table as text: comma-separated (CSV) or tab-separated (TSV) values under a row of names.
 *
 * @see https://www.rfc-editor.org/rfc/rfc4180
 * @module
 */

import { parse } from 'csv-parse/sync';
import { describe, shortMessage, shortName } from '../core/errors.ts';
import { parsed } from './json-records.ts';
import { badLine, type Line } from './lines.ts';
import { type DataRecord, exampleFields, type Report, turnFields } from './record.ts';

/** Rows that are parsed at a time. */
const batchSize = 512;

/** Fields that hold a list, which a cell has as a JSON array. */
const listFields: readonly string[] = [...turnFields, 'perturbed_answer'];

/** Lines of one row; more than one where a cell in quotation marks holds a line end. */
interface Row {
  readonly line: number;
  readonly text: string;
}

/**
 * Reads a table whose first row names the columns. Cells may stand in quotation marks, and hold the delimiter, line ends (which become
 * a line feed) and doubled quotation marks then. Blank lines are skipped; empty cells are left out, but for those of an example
 * itself; columns without a name, as the numbers of rows are written, are left out.
 *
 * @throws SoulError SOUL_BAD_DATA with `file` and `line`, where the row begins: for quotation marks that do not fit, a row of more or
 *   fewer cells than the first, and a name that is there twice
 */
export async function* readCsvRecords(
  file: string,
  lines: AsyncIterable<Line>,
  delimiter: ',' | '\t',
): AsyncGenerator<DataRecord> {
  let names: string[] | undefined;
  for await (const { cells, line } of readRows(file, lines, delimiter)) {
    const report: Report = (problem) => badLine(file, line, problem);
    if (names === undefined) {
      names = headerOf(cells, delimiter, report);
      continue;
    }
    if (cells.length !== names.length) {
      const count = cells.length === 1 ? '1 cell' : `${cells.length} cells`;
      const what = delimiter === ',' ? 'a comma' : 'a tab';
      throw report(
        `has ${count}, but the first row names ${names.length} columns; put a cell that holds ${what} or a quotation mark into quotation marks`,
      );
    }
    yield { value: recordOf(names, cells, report), line, report };
  }
}

function headerOf(cells: readonly string[], delimiter: ',' | '\t', report: Report): string[] {
  const names = cells.map((name) => name.trim());
  const twice = names.find((name, i) => name !== '' && names.indexOf(name) !== i);
  if (twice !== undefined) throw report(`names the column ${describe(twice)} twice`);
  const [only] = names;
  if (names.length === 1 && !(exampleFields as readonly string[]).includes(only!)) {
    const expected = delimiter === ',' ? 'commas; a table with tabs is to be named .tsv' : 'tabs';
    throw report(
      `names one column, ${describe(only)}; the first row must name the columns, as question and answer, parted by ${expected}`,
    );
  }
  return names;
}

function recordOf(names: readonly string[], cells: readonly string[], report: Report): Record<string, unknown> {
  const entries = names.flatMap((name, i): [string, unknown][] => {
    const cell = cells[i]!;
    if (name === '') return [];
    if (listFields.includes(name)) return cell.trim() === '' ? [] : [[name, listOf(name, cell, report)]];
    return cell === '' && !(exampleFields as readonly string[]).includes(name) ? [] : [[name, cell]];
  });
  return Object.fromEntries(entries);
}

function listOf(name: string, cell: string, report: Report): unknown[] {
  const list = parsed(cell)?.value;
  if (Array.isArray(list)) return list;
  throw report(`has a "${shortName(name)}" that must be a JSON array in its cell`);
}

/** Rows in their order, up to the first that is none. */
async function* readRows(
  file: string,
  lines: AsyncIterable<Line>,
  delimiter: string,
): AsyncGenerator<{ cells: string[]; line: number }> {
  let batch: Row[] = [];
  for await (const row of joinLines(lines)) {
    batch.push(row);
    if (batch.length < batchSize) continue;
    yield* parseRows(file, batch, delimiter);
    batch = [];
  }
  yield* parseRows(file, batch, delimiter);
}

/** A row goes on to the next line where a quotation mark is open, that is where their number is odd. */
async function* joinLines(lines: AsyncIterable<Line>): AsyncGenerator<Row> {
  let open: { readonly line: number; readonly texts: string[] } | undefined;
  for await (const { number, text } of lines) {
    let marks = 0;
    for (let at = text.indexOf('"'); at !== -1; at = text.indexOf('"', at + 1)) marks++;
    const closes = marks % 2 === 1;
    if (open !== undefined) {
      open.texts.push(text);
      if (!closes) continue;
      yield { line: open.line, text: join(open.texts) };
      open = undefined;
    } else if (closes) open = { line: number, texts: [text] };
    else if (text.trim() !== '') yield { line: number, text };
  }
  if (open !== undefined) yield { line: open.line, text: join(open.texts) };
}

function join(texts: readonly string[]): string {
  try {
    return texts.join('\n');
  } catch {
    // Too long for one string. Its beginning is no row either.
    return texts[0]!;
  }
}

function* parseRows(
  file: string,
  rows: readonly Row[],
  delimiter: string,
): Generator<{ cells: string[]; line: number }> {
  const options = { delimiter, relax_column_count: true } as const;
  const parseText = (text: string) => parse(text, options) as string[][];
  let all: string[][] | undefined;
  try {
    all = parseText(rows.map(({ text }) => text).join('\n'));
  } catch {
    // One of them is wrong: those before it are rows all the same.
  }
  if (all?.length === rows.length) {
    for (const [i, { line }] of rows.entries()) yield { cells: all[i]!, line };
    return;
  }
  for (const { text, line } of rows) {
    let own: string[][];
    try {
      own = parseText(text);
    } catch (error) {
      throw badLine(file, line, whyNoRow(error as { code?: string; message: string }));
    }
    for (const cells of own) yield { cells, line };
  }
}

function whyNoRow(error: { code?: string; message: string }): string {
  const doubled = 'a cell that holds a quotation mark is put into quotation marks, and the mark within it doubled ("")';
  switch (error.code) {
    case 'CSV_QUOTE_NOT_CLOSED':
      return `begins a cell with a quotation mark that is not closed up to the end of the file; ${doubled}`;
    case 'INVALID_OPENING_QUOTE':
      return `has a quotation mark within a cell that does not begin with one; ${doubled}`;
    case 'CSV_INVALID_CLOSING_QUOTE':
      return `has text behind the quotation mark that ends a cell; ${doubled}`;
    default:
      return `is no row of a table (${shortMessage(error)})`;
  }
}
