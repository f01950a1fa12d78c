/**
 * What the command line prints and where: results on stdout, everything else on stderr.
 *
 * @module
 */

import type { Device } from '../core/devices.ts';
import { toJson } from '../core/json.ts';
import type { ProgressKind } from './progress-form.ts';

export { gibibytes as memory } from '../core/out-of-memory.ts';

export interface OutputOptions {
  /** The result as one JSON object on stdout, instead of text. */
  json?: boolean;
  /** No progress; notes and warnings are shown. */
  quiet?: boolean;
  /** How progress is shown. */
  progress?: ProgressKind;
}

/** What a command found or did: an object for --json, a text else. */
export interface CommandResult {
  readonly result: object;
  readonly text: string;
  /** Set where it is a result all the same, but not the one that was asked for: exit code 1. */
  readonly failed?: boolean;
}

/** Thrown when a result was printed that says of a failure: nothing more is to be said. */
export class FailedResult extends Error {}

/**
 * The action of a command that prints what its work gives. That is all the work prints on stdout, and it is printed when the
 * work has succeeded as a whole: no error can follow it, which with --json would be a second object.
 */
export function printing<Options extends OutputOptions>(
  work: (options: Options) => CommandResult | undefined | Promise<CommandResult | undefined>,
): (options: Options) => Promise<void> {
  return async (options) => {
    const outcome = await work(options);
    if (outcome === undefined) return;
    process.stdout.write(options.json ? toJson(outcome.result) : `${outcome.text}\n`);
    if (outcome.failed) throw new FailedResult();
  };
}

/**
 * A table with a header, columns as wide as their widest cell; numbers are right-aligned.
 *
 * @param texts how many columns from the left are no numbers, whatever they look like
 */
export function table(header: readonly string[], rows: readonly (readonly string[])[], texts = 0): string {
  const widths = header.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]!.length)));
  const numeric = header.map(
    (_, column) => column >= texts && rows.every((row) => /^[-+\d.,%x ]*([a-zA-Z]{0,3})$/.test(row[column]!)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (numeric[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd();
  return [line(header), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}

/** Rows of cells of which the last is a text that goes on below itself where it is longer than the terminal is wide. */
export function listing(rows: readonly (readonly string[])[], columns = process.stdout.columns ?? 120): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const indent = widths.slice(0, -1).reduce((sum, width) => sum + width + 2, 0);
  const room = Math.max(columns - indent, 30);
  return rows
    .flatMap((row) => {
      const [first = '', ...more] = wrapped(row.at(-1)!, room);
      const head = row.slice(0, -1).map((cell, column) => `${cell.padEnd(widths[column]!)}  `);
      return [`${head.join('')}${first}`.trimEnd(), ...more.map((line) => ' '.repeat(indent) + line)];
    })
    .join('\n');
}

/** Words in lines of so many characters; a longer word has a line of its own. */
export function wrapped(text: string, room: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= room) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** 83 -> "1:23". */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  const tail = String(whole % 60).padStart(2, '0');
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${tail}` : `${minutes}:${tail}`;
}

/** What the peak of the process's memory is called: where models lie on a GPU, it says nothing of the GPU's. */
export function peakLabel(device: Device): string {
  return device === 'cpu' ? 'peak memory' : 'peak memory of the host';
}
