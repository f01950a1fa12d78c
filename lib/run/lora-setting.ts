/**
 * The adapters of a run.
 *
 * @module
 */

import { checkBoolean, checkInteger, checkNumber } from '../core/checks.ts';
import { invalidArgument } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import {
  type AdapterOptions,
  type LoraConfig,
  type LoraOptions,
  largestRank,
} from '../model/adapter/adapter-config.ts';
import type { Made } from './run-setting.ts';

/** As {@link LoraOptions}, but for what a run has of its own. */
export type LoraSettings = Omit<LoraOptions, 'kind' | 'seed'>;

/** What there is to say of adapters, by the names that files of settings have for it. */
export const loraNames = ['rank', 'alpha', 'targets', 'rankStabilised'] as const satisfies (keyof LoraSettings)[];

/** Fresh adapters. What the model must be known for is checked with it. */
export function loraSetting(text: string): Made<LoraSettings> {
  const expected = `an object with some of ${loraNames.join(', ')}`;
  return { text, kind: 'lora', expected, fallback: undefined, check: checkLora };
}

function checkLora(name: string, value: unknown): void {
  checkNames(name, value, loraNames);
  const { rank, alpha, targets, rankStabilised } = value as Record<keyof LoraSettings, unknown>;
  if (rank !== undefined) checkInteger(`${name}.rank`, rank, { high: largestRank });
  if (alpha !== undefined) checkNumber(`${name}.alpha`, alpha, { lowExclusive: true, high: 1e6 });
  if (rankStabilised !== undefined) checkBoolean(`${name}.rankStabilised`, rankStabilised);
  const isName = (each: unknown) => typeof each === 'string' && each !== '';
  if (targets === undefined || targets === 'all-linear') return;
  if (!Array.isArray(targets) || targets.length === 0 || !targets.every(isName)) {
    throw invalidArgument(`${name}.targets`, "'all-linear' or a list of names of linear layers", targets);
  }
}

/** What a loader is told of the adapters of a run. */
export function adapterOptions(lora: LoraSettings | undefined, seed: bigint): AdapterOptions | undefined {
  return lora && { kind: 'lora', ...withoutUndefined(lora), seed };
}

/** The setting in full, as a model came to have it. */
export function loraInFull({ rank, alpha, targets, rankStabilised }: LoraConfig): LoraSettings {
  return { rank, alpha, targets, rankStabilised };
}
