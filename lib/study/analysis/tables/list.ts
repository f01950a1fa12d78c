/**
 * The tables of a study.
 *
 * @module
 */

import type { StudySummary } from '../summary.ts';
import { bestOfTable } from './best-of-table.ts';
import { differenceTable } from './comparison-table.ts';
import { figureTables } from './figures-table.ts';
import type { StudyTable } from './study-table.ts';

/** In the order of documents; those that have no row or column yet are left out. */
export function studyTables(summary: StudySummary): StudyTable[] {
  const [efficacy, ...others] = figureTables(summary);
  return [efficacy, differenceTable(summary), ...others, bestOfTable(summary)].filter((table) => table !== undefined);
}
