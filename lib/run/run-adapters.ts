/**
 * The adapters of a run: fresh ones on a whole model, or those of the folder that it goes on with.
 *
 * @module
 */

import { join } from 'node:path';
import { SoulError, shortName } from '../core/errors.ts';
import { readJsonFile } from '../core/files.ts';
import { isObject } from '../core/json.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { AdapterConfig } from '../model/adapter/adapter-config.ts';
import { modelFolders } from '../model/adapter/adapter-folder.ts';
import type { OpenedFolder } from '../model/open-model-folder.ts';
import { adapterOfKind, adapterOptions, askedAdapter } from './adapter-choice.ts';
import { modelChecksums } from './checksums.ts';
import { loose } from './loose.ts';
import type { ChosenAlgorithm } from './run-defaults.ts';
import { recordName } from './run-files.ts';
import type { AdapterChoice } from './runnable-model.ts';
import type { CompleteRunSettings } from './settings.ts';

/** What a record tells of a model with adapters. */
export interface TrainedAdapter {
  readonly config: AdapterConfig;
  /** The folder of the base. */
  readonly base: string;
  /** Whether files of the base are others at the end than at the beginning. */
  readonly isChanged: boolean;
}

type Settings = Pick<CompleteRunSettings, 'model' | 'lora' | 'unlearningLayers' | 'base' | 'seed'>;

/**
 * What a run's model is loaded with.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for fresh adapters beside those that a folder holds
 */
export function adaptersOf(settings: Settings, { isAdapter }: Pick<OpenedFolder, 'isAdapter'>): AdapterChoice {
  const { model, base, seed } = settings;
  const asked = askedAdapter(settings);
  if (asked !== undefined && isAdapter) {
    const flag = asked.option.split(' ')[0];
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `fresh adapters are asked for (${flag}), but ${model} holds adapters already: leave ${flag} out to go on with those, or give the ` +
        'model that they belong to as --model; what two such runs come to is fused (soul fuse, unlearning layers), or merged first (soul merge, LoRA)',
      { argument: flag, model },
    );
  }
  return withoutUndefined({ adapter: adapterOptions(settings, seed), base });
}

/** The base that a folder of adapters names, which a run reads, too; undefined where there is none, or none that can be found. */
export async function namedBase(folder: string): Promise<string | undefined> {
  const { model } = await modelFolders(folder).catch(() => ({ model: folder }));
  return model === folder ? undefined : model;
}

/** What to tell of a method that its paper trains adapters with, where a run has none of them; undefined where there is nothing. */
export function paperNote({ algorithm }: ChosenAlgorithm, settings: Settings, isAdapter: boolean): string | undefined {
  const { name, paperTrains } = algorithm;
  if (paperTrains === undefined || isAdapter || askedAdapter(settings) !== undefined) return undefined;
  const flag = adapterOfKind(paperTrains).option.split(' ')[0];
  return `${name} changes the model's own weights here; its paper trains layers beside them, which leave them as they are: ${flag}`;
}

/**
 * Whether the files of a folder are no more those that had these hashes, one that cannot be read included; heeds no signal and throws
 * nothing, since what is finished is to be published.
 */
export async function isChanged(folder: string, sums: Readonly<Record<string, string>>): Promise<boolean> {
  const now = await modelChecksums(folder).catch(() => ({}));
  return JSON.stringify(Object.entries(now)) !== JSON.stringify(Object.entries(sums));
}

/** Of adapters that a run of unlearning made: what becomes of the deletion. */
export function reversible({ kind }: AdapterConfig): string {
  return `a deletion that can be taken back: who removes the adapter has the base again; ${adapterOfKind(kind).lasting}`;
}

/**
 * What to tell of adapters that a run goes on with, where the record beside them names other files of their base; undefined where they
 * are the same, or where there is no such record.
 *
 * @param sums SHA-256 of the files of the base as it is now
 */
export async function otherBaseNote(
  folder: string,
  base: string,
  sums: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const record = await readJsonFile(join(folder, recordName)).catch(() => undefined);
  const { sha256 } = loose(loose(loose(record).adapter).base);
  if (!isObject(sha256)) return undefined;
  const names = new Set([...Object.keys(sha256), ...Object.keys(sums)]);
  const others = [...names].filter((name) => sha256[name] !== sums[name]).map(shortName);
  if (others.length === 0) return undefined;
  return (
    `the adapters of ${folder} were trained on another base than ${base} is now (${others.slice(0, 3).join(', ')}` +
    `${others.length > 3 ? ', ...' : ''}): what they forgot may not be forgotten beside it`
  );
}

/**
 * What run.json says of the adapters.
 *
 * @param name how the base is called
 */
export function adapterRecord(
  { config, isChanged: changed }: TrainedAdapter,
  name: string,
  sha256: Readonly<Record<string, string>>,
  deletes: boolean,
): object {
  const note = deletes ? { note: reversible(config).replaceAll('`', '') } : {};
  return { ...config, base: { folder: name, sha256, changed }, ...note };
}
