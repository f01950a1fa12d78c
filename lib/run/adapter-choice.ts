/**
 * The kinds of adapters that runs train.
 *
 * @module
 */

import { withoutUndefined } from '../core/optional.ts';
import type { AdapterConfig, AdapterOptions } from '../model/adapter/adapter-config.ts';
import type { AdapterSettings, RunAdapter } from './adapters/adapter-setting.ts';
import { lora } from './adapters/lora.ts';
import { unlearningLayers } from './adapters/unlearning-layers.ts';

/** By the names of their settings, of which a run has one at most. */
export const adapterSettings = { lora, unlearningLayers } as const;

type SettingName = keyof typeof adapterSettings;

/** The settings of a run that ask for fresh adapters. */
export type AskedAdapters = {
  readonly [Name in SettingName]?: AdapterSettings<(typeof adapterSettings)[Name]['adapter']> | undefined;
};

type AdaptersInFull = { readonly [Name in SettingName]?: NonNullable<AskedAdapters[Name]> };

/** The setting that asks for fresh adapters; undefined where none does. */
export function askedAdapter(settings: AskedAdapters): RunAdapter | undefined {
  const name = (Object.keys(adapterSettings) as SettingName[]).find((each) => settings[each] !== undefined);
  return name && (adapterSettings[name] as RunAdapter);
}

export function adapterOfKind(kind: AdapterConfig['kind']): RunAdapter {
  return (Object.values(adapterSettings) as RunAdapter[]).find(({ adapter }) => adapter === kind)!;
}

/** What a loader is told of the fresh adapters of a run. */
export function adapterOptions(settings: AskedAdapters, seed: bigint): AdapterOptions | undefined {
  for (const [name, { adapter }] of Object.entries(adapterSettings)) {
    const given = settings[name as SettingName];
    if (given !== undefined) return { kind: adapter, ...withoutUndefined(given), seed } as AdapterOptions;
  }
  return undefined;
}

/** The settings that asked for fresh adapters, in full, as a model came to have them. */
export function adaptersInFull(settings: AskedAdapters, config: AdapterConfig | undefined): AdaptersInFull {
  const asked = Object.entries(adapterSettings as Readonly<Record<string, RunAdapter>>).filter(
    ([name, { adapter }]) => settings[name as SettingName] !== undefined && adapter === config?.kind,
  );
  return Object.fromEntries(asked.map(([name, { inFull }]) => [name, inFull(config as never)])) as AdaptersInFull;
}
