/**
 * What a page on a study is made of, read from its folder, whether all of its trials are done or not.
 *
 * @module
 */

import { basename, join, resolve } from 'node:path';
import { SoulError } from '../core/errors.ts';
import { badFileOf, readPlainJsonFile } from '../core/files.ts';
import { checkRecords } from '../study/analysis/check-records.ts';
import { summarize } from '../study/analysis/summarize.ts';
import { studyFrom } from '../study/definition/read-study.ts';
import type { Study } from '../study/definition/study.ts';
import { portableStudy } from '../study/portable-study.ts';
import type { TrialRecord } from '../study/trial/record.ts';
import { TrialStore } from '../study/trial/store.ts';
import type { StudySource } from './study-source.ts';

/** Name of the file that makes a folder that of a study. */
export const studyName = 'study.json';

/** A study has kilobytes, however long its lists are. */
const mostBytes = 2 ** 24;

/** A study with the files that are left out of it, and why. */
export interface StudyFolder {
  readonly source: StudySource;
  readonly problems: readonly string[];
}

/**
 * Reads the study of a folder and those of its trials that are there; one that is damaged, or of another study, is left out.
 *
 * @throws SoulError SOUL_BAD_FILE where study.json is no study
 */
export async function readStudyFolder(folder: string): Promise<StudyFolder> {
  const study = await storedStudy(folder);
  const store = new TrialStore(folder);
  const trials: TrialRecord[] = [];
  const problems: string[] = [];
  for (const id of await store.ids()) {
    try {
      const record = await store.read({ id });
      if (record === undefined) continue;
      checkRecords(study, [record]);
      trials.push(record);
    } catch (error) {
      if (!(error instanceof SoulError)) throw error;
      // A page that is handed on names no folder of the machine.
      problems.push(error.message.replaceAll(join(folder, '/'), ''));
    }
  }
  return { source: { summary: summarize(portableStudy(study, folder), trials), trials }, problems };
}

/** What `study.json` says. */
async function storedStudy(folder: string): Promise<Study> {
  const file = join(folder, studyName);
  const bad = badFileOf(file);
  const content = await readPlainJsonFile(file, mostBytes);
  if (content === undefined) throw bad('is not there');
  try {
    return studyFrom(content, { folder, name: basename(resolve(folder)) });
  } catch (error) {
    if (!(error instanceof SoulError)) throw error;
    throw bad(`is no study, which soul study would write again: ${error.message}`, error);
  }
}
