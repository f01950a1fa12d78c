/**
 * Records as they stand in their files, one to open at a time.
 *
 * @module
 */

import { toJson } from '../../core/json.ts';
import type { TrialRecord } from '../../study/trial/record.ts';
import { html, type Markup } from '../page/html.ts';
import type { StudySource } from '../study-source.ts';

/** Where a trial's record stands in the page. */
export function recordId(trial: string): string {
  return `record-${trial.replaceAll(/[^\w.-]/g, '_')}`;
}

/** Of more trials a page has the records of the chosen ones alone: with all of them no browser likes to open it. */
const mostRecords = 1000;

/** The trials whose records stand in the page: all, or of very many those that were chosen. */
export function recordedTrials({ summary, trials }: StudySource): readonly TrialRecord[] {
  if (trials.length <= mostRecords) return trials;
  const chosen = new Set(summary.cells.flatMap((cell) => cell.chosen.flatMap(({ end, equal }) => [end, equal])));
  return trials.filter(({ id }) => chosen.has(id));
}

/** Their records; texts stand beside each other elsewhere. */
export function trialRecords(source: StudySource): Markup[] {
  const shown = recordedTrials(source);
  const left = source.trials.length - shown.length;
  const note = html`<p class="quiet">Of ${source.trials.length} trials those that were chosen; the others are files of the study's folder, trials/.</p>\n`;
  return [
    ...(left > 0 ? [note] : []),
    ...shown.map(({ texts, ...record }) => recordPart(recordId(record.id), record.id, record)),
  ];
}

export function recordPart(id: string, title: string, record: unknown): Markup {
  return html`<details id="${id}"><summary>${title}</summary><pre>${toJson(record).trimEnd()}</pre></details>\n`;
}
