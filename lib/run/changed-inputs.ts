/**
 * Whether the files of an earlier run are still what its record says.
 *
 * @module
 */

import { stat } from 'node:fs/promises';
import { sha256 } from './checksums.ts';
import type { ItemKey } from './item-key.ts';
import { fileName } from './item-names.ts';
import { type Loose, loose } from './loose.ts';
import type { RunSettings } from './settings.ts';
import { isRecord } from './settings-json.ts';

/** Settings that name files, and what a record's inputs call them. */
const inputNames = {
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
 * @param itemKey of the record: without it nothing is known of files whose hashes are keyed
 */
export async function changedInputs(
  record: unknown,
  settings: Partial<RunSettings>,
  itemKey?: ItemKey,
): Promise<string[]> {
  if (!isRecord(record)) return [];
  const isOwnKey = itemKey !== undefined && itemKey.id === recordedKeyId(record);
  const changed: string[] = [];
  for (const { settingIn, recorded } of dataInputs(record)) {
    const before = pathsOf(settingIn(record.settings));
    for (const path of pathsOf(settingIn(settings))) {
      const { sha256: plain, keyedSha256 } = recorded[before.indexOf(path)] ?? {};
      const expected = plain ?? (isOwnKey ? keyedSha256 : undefined);
      if (typeof expected !== 'string') continue;
      // What is gone is told where it is read; a pipe can be read but once.
      const found = await stat(path).catch(() => undefined);
      if (!found?.isFile()) continue;
      const hash = await sha256(path);
      if ((plain === undefined ? fileName(itemKey!, hash) : hash) !== expected) changed.push(path);
    }
  }
  return changed;
}

/** Files that a run read beside the model's. */
interface DataInput {
  /** What the record's inputs call them. */
  readonly name: string;
  /** The setting that names them. */
  readonly settingIn: (settings: object) => unknown;
  /** What the record says of each. */
  readonly recorded: readonly Loose[];
}

/** Those that a record has. */
export function dataInputs(record: Loose | { readonly inputs?: unknown }): DataInput[] {
  const inputs = loose(record.inputs);
  const { evaluateData } = inputs;
  const all = [
    ...Object.entries(inputNames).map(([setting, name]) => {
      const settingIn = (settings: object) => loose(settings)[setting];
      return { name, settingIn, input: inputs[name] };
    }),
    ...Object.entries(loose(evaluateData)).map(([set, input]) => {
      const settingIn = (settings: object) => loose(loose(settings).evaluateData)[set];
      return { name: `evaluateData.${set}`, settingIn, input };
    }),
  ];
  return all
    .filter(({ input }) => input !== undefined)
    .map(({ name, settingIn, input }) => ({ name, settingIn, recorded: recordedFiles(input) }));
}

/** The paths of a setting that names one file or several. */
export function pathsOf(setting: unknown): string[] {
  return [setting].flat().filter((path) => typeof path === 'string');
}

/** What a record says of the files of an input, of one or several, in the order of its setting. */
function recordedFiles(input: unknown): readonly Loose[] {
  const { files } = loose(input);
  return (Array.isArray(files) ? files : [input]).map(loose);
}

/** The key that a record names its items under; undefined where it deleted nothing. */
export function recordedKeyId(record: unknown): unknown {
  return loose(loose(loose(record).deleted).naming).keyId;
}
