/**
 * The records of a JSON file: one on each line, or the entries of one array.
 *
 * @module
 */

import { describe, SoulError, shortMessage } from '../core/errors.ts';
import { parsePythonJson } from '../core/json.ts';
import { badLine, type Line } from './lines.ts';
import { type DataRecord, exampleFields, type Report } from './record.ts';

/**
 * Reads JSON lines, or, where the first that is not blank begins with `[`, one JSON array. Blank lines are skipped, `NaN`
 * is null.
 *
 * @throws SoulError SOUL_BAD_DATA with `file` and `line`: for a line that is not JSON, and for such an array, where it begins
 */
export async function* readJsonRecords(
  file: string,
  lines: AsyncIterable<Line> | Iterable<Line>,
): AsyncGenerator<DataRecord> {
  let first: Line | undefined;
  // Lines of what is not a record a line: of an array, or of an object that goes on over several.
  let rest: Line[] | undefined;
  for await (const line of lines) {
    if (rest) {
      rest.push(line);
      continue;
    }
    if (line.text.trim() === '') continue;
    const isFirst = first === undefined;
    first ??= line;
    if (isFirst && (isArray(line) || goesOn(line))) {
      rest = [line];
      continue;
    }
    const report: Report = (problem) => badLine(file, line.number, problem);
    yield { value: parseLine(line.text, report), line: line.number, report };
  }
  if (!first || !rest) return;
  if (!isArray(first)) throw badLine(file, first.number, severalLines(rest));
  yield* arrayRecords(file, rest);
}

/** Whether a file that begins with this line is one array. */
function isArray({ text }: Line): boolean {
  return text.trimStart().startsWith('[');
}

/** Whether a value that is not whole on this line can go on on the next. */
function goesOn({ text }: Line): boolean {
  const trimmed = text.trim();
  return trimmed.startsWith('{') && /[{[,:]$/.test(trimmed) && parsed(trimmed.replace(/,$/, '')) === undefined;
}

function parseLine(text: string, report: Report): unknown {
  try {
    return parsePythonJson(text);
  } catch (error) {
    throw report(whyNoJson(text, shortMessage(error)));
  }
}

function whyNoJson(text: string, message: string): string {
  const trimmed = text.trim();
  if (text.startsWith('\ufeff')) return 'begins with a byte-order mark, as where files were joined; remove it';
  if (/^\{\s*'/.test(trimmed)) return "is not JSON but Python's own notation; write the file with json.dumps";
  if (trimmed.endsWith(',') && parsed(trimmed.slice(0, -1)) !== undefined) {
    return 'ends with a comma; leave it out, or put all records into one JSON array';
  }
  const cells = text.split(/[,;\t]/).map((cell) => cell.trim().replaceAll('"', ''));
  if (cells.length > 1 && cells.some((cell) => (exampleFields as readonly string[]).includes(cell))) {
    return 'is no JSON but names columns, as the first row of a table; a file of commas is to be named .csv, one of tabs .tsv';
  }
  return `is not valid JSON (${message}); each line must be one whole JSON object`;
}

/** What is wrong with a file whose first line begins an object that is not whole. */
function severalLines(lines: readonly Line[]): string {
  const whole = parsedLines(lines);
  return (
    (whole && whyContainer(whole.value)) ??
    'begins a JSON object that goes on over several lines (pretty-printed); each line must be one whole JSON object, ' +
      'as `jq -c .` writes it'
  );
}

/** Of an object that is no record but holds records in one of its fields: what is wrong with it. */
export function whyContainer(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const name = Object.entries(value).find(([name, entries]) => {
    const [first] = Array.isArray(entries) ? entries : [];
    if (typeof first !== 'object' || first === null) return false;
    return name === 'data' || exampleFields.some((field) => Object.hasOwn(first, field));
  })?.[0];
  if (name === undefined) return undefined;
  const quoted = describe(name);
  return `is one JSON object that holds the records in an array ${quoted}; give that array alone as the file, or its records one a line (jq -c '.[${quoted}][]')`;
}

/** The entries of a file that is one JSON array. */
function arrayRecords(file: string, lines: readonly Line[]): DataRecord[] {
  let records: unknown;
  try {
    records = parsePythonJson(join(lines));
  } catch (cause) {
    const [first, ...rest] = lines;
    if (rest.some(({ text }) => text.trim() !== '') && parsed(first!.text)) {
      throw badLine(
        file,
        first!.number,
        'is a JSON array of its own; each line must be a JSON object, which names what it holds, or the file one array of such objects',
      );
    }
    throw new SoulError(
      'SOUL_BAD_DATA',
      `the data file ${file} begins with "[" but is not a valid JSON array (${shortMessage(cause)})`,
      { file, line: first!.number },
      { cause },
    );
  }
  return (records as unknown[]).map((value, i) => ({
    value,
    line: i + 1,
    report: (problem) => badLine(file, i + 1, `(record ${i + 1} of the array) ${problem}`),
  }));
}

function join(lines: readonly Line[]): string {
  return lines.map(({ text }) => text).join('\n');
}

/** The value of a JSON text; undefined for another text. */
export function parsed(text: string): { value: unknown } | undefined {
  try {
    return { value: parsePythonJson(text) };
  } catch {
    return undefined;
  }
}

/** As {@link parsed}, of what all lines are together. */
export function parsedLines(lines: readonly Line[]): { value: unknown } | undefined {
  try {
    return parsed(join(lines));
  } catch {
    // Too long for one string.
    return undefined;
  }
}
