/**
 * Whether the files of an earlier run are still what its record says.
 *
 * @module
 */

import { stat } from 'node:fs/promises';
import { sha256 } from './checksums.ts';
import type { RunSettings } from './settings.ts';
import { isRecord } from './settings-json.ts';

/** Settings that name files, and what a record's inputs call them. */
const files = {
  target: 'target',
  retain: 'retain',
  refusals: 'refusals',
  alternatives: 'alternatives',
  algorithmFile: 'algorithm',
} as const satisfies { readonly [Name in keyof RunSettings]?: string };

/**
 * The data files, and the algorithm's, that a run takes from a record and that have changed since.
 *
 * @param record the value of a run.json; of another configuration nothing is known
 * @param settings of the run that is to be
 */
export async function changedInputs(record: unknown, settings: Partial<RunSettings>): Promise<string[]> {
  if (!isRecord(record)) return [];
  const inputs = Object(record.inputs) as Record<string, { sha256?: unknown } | undefined>;
  const changed: string[] = [];
  for (const [setting, input] of Object.entries(files)) {
    const path = settings[setting as keyof typeof files];
    const recorded = inputs[input]?.sha256;
    if (path === undefined || path !== record.settings[setting] || typeof recorded !== 'string') continue;
    // What is gone is told where it is read; a pipe can be read but once.
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile() && (await sha256(path)) !== recorded) changed.push(path);
  }
  return changed;
}
