/**
 * Records as they stand in their files, one to open at a time.
 *
 * @module
 */

import { toJson } from '../../core/json.ts';
import { html, type Markup } from '../page/html.ts';
import type { StudySource } from '../study-source.ts';

/** Where a trial's record stands in the page. */
export function recordId(trial: string): string {
  return `record-${trial.replaceAll(/[^\w.-]/g, '_')}`;
}

/** The record of every trial; texts stand beside each other elsewhere. */
export function trialRecords({ trials }: StudySource): Markup[] {
  return trials.map(({ texts, ...record }) => recordPart(recordId(record.id), record.id, record));
}

export function recordPart(id: string, title: string, record: unknown): Markup {
  return html`<details id="${id}"><summary>${title}</summary><pre>${toJson(record).trimEnd()}</pre></details>\n`;
}
