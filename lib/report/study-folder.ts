/**
 * What a page on a study is made of, read from its folder, whether all of its trials are done or not.
 *
 * @module
 */

import { join } from 'node:path';
import { SoulError } from '../core/errors.ts';
import { badFileOf, readJsonFile } from '../core/files.ts';
import { isObject } from '../core/json.ts';
import { checkRecords } from '../study/analysis/check-records.ts';
import { summarize } from '../study/analysis/summarize.ts';
import type { Study } from '../study/definition/study.ts';
import type { TrialRecord } from '../study/trial/record.ts';
import { TrialStore } from '../study/trial/store.ts';
import type { StudySource } from './study-source.ts';

/** Name of the file that makes a folder that of a study. */
export const studyName = 'study.json';

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
  const study = studyOf(join(folder, studyName), await readJsonFile(join(folder, studyName)));
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
      problems.push(error.message);
    }
  }
  return { source: { summary: summarize(study, trials), trials }, problems };
}

/** What `study.json` says, checked as far as a page needs it. */
function studyOf(file: string, value: unknown): Study {
  const bad = badFileOf(file);
  if (value === undefined) throw bad('is not there');
  const refused = () => bad('is no study; soul study writes it, so let that write it again');
  if (!isObject(value)) throw refused();
  const { name, title, seed, models, splits, methods, optimizers, trials, draws } = value;
  const named = (list: unknown) =>
    Array.isArray(list) && list.every((each) => isObject(each) && typeof each.name === 'string');
  const isCount = (count: unknown) => Number.isSafeInteger(count) && (count as number) >= 1;
  const isWhole =
    typeof name === 'string' &&
    typeof title === 'string' &&
    [models, splits, methods, optimizers].every(named) &&
    isCount(trials) &&
    isCount(draws) &&
    /^\d{1,20}$/.test(String(typeof seed === 'object' ? '' : seed));
  if (!isWhole) throw refused();
  return { ...(value as unknown as Study), seed: BigInt(seed as string) };
}
