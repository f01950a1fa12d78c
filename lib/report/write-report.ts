/**
 * Writes a report.
 *
 * @module
 */

import { join, resolve } from 'node:path';
import { invalidArgument } from '../core/errors.ts';
import { replaceFile } from '../core/files.ts';
import { checkNames } from '../core/option-names.ts';
import { pageText } from './page/page.ts';
import { Drawer } from './plot/draw.ts';
import { makeReport, reportFolder } from './report-source.ts';

export interface ReportOptions {
  /** The file; default `report.html` in the folder of a study, and `<folder>.report.html` beside that of a run, whose record names its files. */
  readonly out?: string;
}

/** What was written. */
export interface WrittenReport {
  readonly file: string;
  readonly bytes: number;
  readonly kind: 'study' | 'run';
  /** The folder that it is of: of a run that goes on, `<folder>.partial`. */
  readonly folder: string;
  /** Of a study. */
  readonly trials?: number;
  /** Of a run, optimizer steps. */
  readonly steps?: number;
  /** Files of the study that are left out, and why. */
  readonly problems: readonly string[];
}

/**
 * Writes one HTML page on the folder of a study or of a run, finished or not. The page loads nothing; all that stands in the folder's files is
 * text in it, whatever it says.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT; SOUL_NOT_FOUND where the folder is not there; SOUL_BAD_FILE where it is neither, or damaged;
 *   SOUL_FILE_SYSTEM
 */
export async function writeReport(folder: string, options: ReportOptions = {}): Promise<WrittenReport> {
  if (typeof folder !== 'string' || folder === '') throw invalidArgument('folder', 'the path of a folder', folder);
  checkNames('options', options, ['out']);
  const { out } = options;
  if (out !== undefined && (typeof out !== 'string' || out === ''))
    throw invalidArgument('out', 'the path of a file', out);
  const found = await reportFolder(folder);
  const drawer = await Drawer.load();
  const { parts, count, problems } = await makeReport(found, drawer);
  const text = pageText(parts);
  const file = out ?? defaultFile(found.kind, folder);
  await replaceFile(file, text);
  const counted = found.kind === 'study' ? { trials: count } : { steps: count };
  return { file, bytes: Buffer.byteLength(text), ...found, ...counted, problems };
}

/** Where a report is written unless it is said. */
export function defaultFile(kind: 'study' | 'run', folder: string): string {
  return kind === 'study' ? join(folder, 'report.html') : `${resolve(folder)}.report.html`;
}
