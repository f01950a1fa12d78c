/**
 * What a run knows of a kind of adapters.
 *
 * @module
 */

import { checkNames } from '../../core/option-names.ts';
import type { AdapterConfig, AdapterOptions } from '../../model/adapter/adapter-config.ts';
import type { Asked, Made } from '../run-setting.ts';

type Kind = AdapterConfig['kind'];

/** What there is to say of adapters of a kind, but for what a run has of its own. */
export type AdapterSettings<Own extends Kind = Kind> = Omit<Extract<AdapterOptions, { kind: Own }>, 'kind' | 'seed'>;

/** Adapters of one kind: a setting of runs, and what becomes of them. */
export interface RunAdapter<Own extends Kind = Kind> extends Made<AdapterSettings<Own>>, Asked {
  readonly kind: 'adapter';
  readonly adapter: Own;
  readonly option: `--${string}`;
  /** The setting in full, as a model came to have it. */
  inFull(config: Extract<AdapterConfig, { kind: Own }>): AdapterSettings<Own>;
  /** In the metadata of a model card: what loads them. */
  readonly loadedBy: string;
  /** What a model card says of the folder. */
  readonly folder: string;
  /** What makes a deletion by them one that stays. */
  readonly lasting: string;
}

/**
 * Fresh adapters. What the model must be known for is checked with it.
 *
 * @param checks one for each name that files of settings have, told the whole name
 */
export function adapterSetting<Own extends Kind>(
  text: string,
  checks: { readonly [Name in keyof AdapterSettings<Own>]-?: (name: string, value: unknown) => void },
): Pick<RunAdapter<Own>, 'text' | 'kind' | 'expected' | 'fallback' | 'check'> {
  const names = Object.keys(checks) as (keyof typeof checks & string)[];
  const check = (name: string, value: unknown) => {
    checkNames(name, value, names);
    for (const own of names) {
      const given = (value as Record<string, unknown>)[own];
      if (given !== undefined) checks[own](`${name}.${own}`, given);
    }
  };
  const expected = `an object with some of ${names.join(', ')}`;
  return { text, kind: 'adapter', expected, fallback: undefined, check };
}
