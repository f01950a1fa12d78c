/**
 * Refusals from a file, in whichever form it has them.
 *
 * @module
 */

import { extname } from 'node:path';
import { SoulError } from '../core/errors.ts';
import { parsed, parsedLines, readJsonRecords } from './json-records.ts';
import { badLine, type Line, openLines } from './lines.ts';
import type { DataFile } from './read-examples.ts';
import { checkText, found, foundFields, type Report } from './record.ts';

export interface RefusalFile extends DataFile<string> {
  /** The line of each refusal; in an array its number there. Both from 1. */
  readonly lines: readonly number[];
  /** Where in the file the refusals were found, to be read after their number: `from the "answer" of each JSON object`. */
  readonly origin: string;
}

/** Fields that hold a refusal: those that hold the answer in a data set. */
const answerFields = ['answer', 'completion'];

/** Names that only the header of a table has as a cell of its own. */
const columnNames = new Set([...answerFields, 'refusal', 'refusals']);

/**
 * Reads refusals: plain text, one a line, or JSON, where each is a string or an object with `answer` or `completion`, on a line of
 * its own or in one array.
 *
 * The file as a whole is the one or the other. It is JSON where each of its lines is a JSON string, object or array, or where it is
 * one array; a line of a plain text may therefore begin with a quotation mark or a bracket (`"No," she said.`, `[No answer]`), but
 * not be JSON, nor begin as an object does (`{"`). Lines of a plain text are trimmed, JSON strings are taken as they are, blank
 * lines are skipped. What must not be mistaken for JSON can be given as a JSON string.
 *
 * @throws SoulError SOUL_NOT_FOUND for a missing file; SOUL_BAD_FILE for one that cannot be read, or that is no text in UTF-8;
 *   SOUL_BAD_DATA for a table (CSV, TSV), for a file without refusals, and, with `file` and `line` in the details, for the first
 *   line that is not usable or not of the same kind as the first
 */
export async function readRefusals(file: string): Promise<RefusalFile> {
  const source = openLines(file);
  const lines: Line[] = [];
  for await (const line of source.lines) if (line.text.trim() !== '') lines.push(line);
  const [first] = lines;
  checkNoTable(file, first);
  const refusals =
    first === undefined || isPlainText(file, lines)
      ? {
          items: lines.map(({ text }) => text.trim()),
          lines: lines.map(({ number }) => number),
          origin: 'one a line of plain text',
        }
      : await readJsonRefusals(file, lines);
  if (refusals.items.length === 0) {
    throw new SoulError('SOUL_BAD_DATA', `the file ${file} has no refusals; expected one a line`, { file });
  }
  return { file, sha256: source.sha256(), ...refusals };
}

/** A table would be taught row by row. */
function checkNoTable(file: string, first: Line | undefined): void {
  const cells = first?.text.split(/[,;\t]/).map((cell) => cell.replaceAll('"', '').trim().toLowerCase()) ?? [];
  const column = cells.find((cell) => columnNames.has(cell));
  const named = ['.csv', '.tsv'].includes(extname(file).toLowerCase());
  if (!named && column === undefined) return;
  const sign = named ? '' : ` (its first line names a column "${column}")`;
  throw new SoulError(
    'SOUL_BAD_DATA',
    `the file ${file} is a table${sign}, which refusals are not read from; give plain text with one refusal a line, or JSON lines with an "answer" each`,
    { file },
  );
}

/** Whether all lines are plain text; false where all are JSON, or meant to be. */
function isPlainText(file: string, lines: readonly Line[]): boolean {
  const first = lines[0]!;
  const whole = first.text.trimStart().startsWith('[') && parsedLines(lines);
  if (whole) return false;
  const ofFirst = kindOf(first.text);
  for (const line of lines) {
    const kind = kindOf(line.text);
    // What is damaged in a file of JSON is for its reader to say.
    if (ofFirst === 'damaged JSON' || (ofFirst === 'JSON' && kind === 'damaged JSON')) return false;
    if (kind !== ofFirst) {
      throw badLine(
        file,
        line.number,
        `is ${kind}, but line ${first.number} is ${ofFirst}; write all lines in one way (a quotation mark that is to be taught is \\" in a JSON string)`,
      );
    }
  }
  return ofFirst === 'plain text';
}

function kindOf(line: string): 'JSON' | 'damaged JSON' | 'plain text' {
  const text = line.trim();
  const json = parsed(text);
  // A number, or a word such as null, does as well as other texts.
  if (json)
    return typeof json.value === 'string' || (typeof json.value === 'object' && json.value) ? 'JSON' : 'plain text';
  const damaged = /^(\{|\[\{?)\s*(["']|$)/.test(text) || (/^".*",$/.test(text) && parsed(text.slice(0, -1)));
  return damaged ? 'damaged JSON' : 'plain text';
}

async function readJsonRefusals(
  file: string,
  source: readonly Line[],
): Promise<Pick<RefusalFile, 'items' | 'lines' | 'origin'>> {
  const items: string[] = [];
  const lines: number[] = [];
  const origins = new Set<string>();
  for await (const { value, line, report } of readJsonRecords(file, source)) {
    const { refusal, origin } = toRefusal(value, report);
    items.push(refusal);
    lines.push(line);
    origins.add(origin);
  }
  return { items, lines, origin: `from ${[...origins].join(' and ')}` };
}

function toRefusal(value: unknown, report: Report): { refusal: string; origin: string } {
  const named = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!named && typeof value !== 'string') {
    throw report(`must be a JSON string, or a JSON object with "answer", but is ${found(value)}`);
  }
  const name = named ? answerField(value, report) : undefined;
  const what = name === undefined ? 'JSON string' : `"${name}"`;
  const refusal = checkText(name === undefined ? value : (value as Record<string, unknown>)[name], what, report);
  if (refusal.trim() === '') throw report(`has an empty ${what}`);
  return { refusal, origin: name === undefined ? 'JSON strings' : `the "${name}" of each JSON object` };
}

function answerField(fields: object, report: Report): string {
  const [name, second] = answerFields.filter((field) => Object.hasOwn(fields, field));
  if (name === undefined) throw report(`needs "answer" or "completion", the refusal; found ${foundFields(fields)}`);
  if (second !== undefined) throw report(`has both "${name}" and "${second}"; keep one`);
  return name;
}
