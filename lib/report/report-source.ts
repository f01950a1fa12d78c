/**
 * Which folder a page is about: that of a study, or of a run, finished or not.
 *
 * @module
 */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SoulError } from '../core/errors.ts';
import { exists } from '../core/files.ts';
import { markerName, recordName } from '../run/run-files.ts';
import type { PageParts } from './page/page.ts';
import type { Drawer } from './plot/draw.ts';
import { runPage } from './run-page.ts';
import { readRunSource } from './run-source.ts';
import { readStudyFolder, studyName } from './study-folder.ts';
import { studyPage } from './study-page.ts';

/** What a folder is of, and where it lies: of a run that goes on, under its name for the time. */
export interface ReportFolder {
  readonly kind: 'study' | 'run';
  readonly folder: string;
}

/**
 * Finds what a folder is of.
 *
 * @throws SoulError SOUL_NOT_FOUND where it is not there; SOUL_INVALID_ARGUMENT for a file; SOUL_BAD_FILE where it is neither a study's nor a run's
 */
export async function reportFolder(folder: string): Promise<ReportFolder> {
  const staged = `${folder.replace(/[/\\]+$/, '')}.partial`;
  for (const place of [folder, staged]) {
    if (await exists(join(place, studyName))) return { kind: 'study', folder: place };
    if ((await exists(join(place, recordName))) || (await exists(join(place, markerName)))) {
      return { kind: 'run', folder: place };
    }
  }
  if (!(await exists(folder))) {
    throw new SoulError('SOUL_NOT_FOUND', `${folder} does not exist; name the folder of a study or of a run`, {
      folder,
    });
  }
  if (!(await stat(folder)).isDirectory()) {
    const text = `${folder} is a file; name the folder of a study, which is the study's file without its ending, or of a run`;
    throw new SoulError('SOUL_INVALID_ARGUMENT', text, { folder });
  }
  throw new SoulError(
    'SOUL_BAD_FILE',
    `${folder} is the folder neither of a study nor of a run: it has neither ${studyName}, which soul study writes, nor ${recordName}, which soul unlearn and soul train write`,
    { folder },
  );
}

/** What a page says, and how much that is. */
export interface Report {
  readonly parts: PageParts;
  /** Trials, or steps. */
  readonly count: number;
  /** Files that are left out, and why. */
  readonly problems: readonly string[];
}

/**
 * Reads a folder and makes its page.
 *
 * @throws SoulError SOUL_BAD_FILE, SOUL_FILE_SYSTEM
 */
export async function makeReport({ kind, folder }: ReportFolder, drawer: Drawer): Promise<Report> {
  if (kind === 'study') {
    const { source, problems } = await readStudyFolder(folder);
    return { parts: studyPage(source, problems, drawer), count: source.trials.length, problems };
  }
  const source = await readRunSource(folder);
  return { parts: runPage(source, drawer), count: source.spans.at(-1)?.step ?? source.run.steps ?? 0, problems: [] };
}
