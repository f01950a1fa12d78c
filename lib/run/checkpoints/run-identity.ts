/**
 * What a run is made of: what must be the same for it to be gone on with.
 *
 * @module
 */

import { describe, SoulError } from '../../core/errors.ts';
import type { Json } from '../../core/json.ts';
import type { ExampleSet } from '../../data/example-set.ts';
import { settingsInFull } from '../../unlearn/inner-method.ts';
import type { RunSets } from '../data-sets.ts';
import type { ChosenAlgorithm } from '../run-defaults.ts';
import { placeKinds, type RunSchema } from '../run-setting.ts';
import { runSettings } from '../run-settings.ts';
import { flagOf, ofMethod } from '../setting-flags.ts';
import type { CompleteRunSettings, RunSettings } from '../settings.ts';

export interface RunIdentity {
  /** Every setting that decides the result, by its path of names; files go by their hashes. */
  readonly settings: Readonly<Record<string, Json>>;
  /** SHA-256 of everything that was read. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Where and how the model is held, and by which engine. */
  readonly loading: Readonly<Record<string, Json>>;
}

/** Parts of a run's record of loading that decide its bits. */
const decisive = ['device', 'dtype', 'threads', 'checkpointActivations', 'engine'] as const;

export function identityOf(parts: {
  readonly settings: CompleteRunSettings;
  readonly chosen: ChosenAlgorithm;
  readonly modelSums: Readonly<Record<string, string>>;
  /** Of the base of adapters that the model's folder holds. */
  readonly baseSums?: Readonly<Record<string, string>> | undefined;
  readonly algorithmSum: string | undefined;
  readonly sets: RunSets;
}): RunIdentity {
  const { settings, chosen, modelSums, baseSums = {}, algorithmSum, sets } = parts;
  const inputs: Record<string, string | undefined> = {
    target: sumsOf(sets.target),
    retain: sets.retain && sumsOf(sets.retain),
    refusals: sets.refusalFile?.sha256,
    alternatives:
      settings.alternatives === undefined || !sets.alternatives ? undefined : sumsOf(sets.alternatives.file),
    algorithmFile: algorithmSum,
    ...Object.fromEntries(Object.entries(sets.heldOut).map(([name, set]) => [`evaluateData.${name}`, sumsOf(set)])),
    ...Object.fromEntries(Object.entries(modelSums).map(([name, sum]) => [`model/${name}`, sum])),
    ...Object.fromEntries(Object.entries(baseSums).map(([name, sum]) => [`base/${name}`, sum])),
  };
  const inFull = Object.entries(settingsInFull(chosen.algorithm, chosen.settings));
  const methodSettings = Object.fromEntries(inFull.map(([name, value]) => [`${ofMethod}${name}`, jsonOf(value)]));
  const load = (settings.load ?? {}) as Record<string, unknown>;
  return {
    settings: {
      ...deciding(runSettings, settings as never),
      method: chosen.algorithm.name,
      ...methodSettings,
    },
    inputs: present(inputs) as Record<string, string>,
    loading: present(Object.fromEntries(decisive.map((name) => [name, load[name]]))) as Record<string, Json>,
  };
}

/** The settings of a run as run.json has them, of what JSON holds, without the learning rate that follows from the model. */
export function recordedSettings(
  { resume: _, finish: __, ...settings }: CompleteRunSettings,
  { algorithm, settings: own }: ChosenAlgorithm,
  given: Pick<RunSettings, 'optimizerSettings'>,
): Readonly<Record<string, unknown>> {
  const { learningRate } = given.optimizerSettings ?? {};
  const optimizerSettings = { ...settings.optimizerSettings, learningRate };
  const inFull = { method: algorithm.name, methodSettings: settingsInFull(algorithm, own) };
  return jsonOf({ ...settings, optimizerSettings, ...inFull }) as Record<string, Json>;
}

/** The settings that decide the result, by their paths of names. */
function deciding(schema: RunSchema, values: Readonly<Record<string, unknown>>, prefix = ''): Record<string, Json> {
  const found: Record<string, Json> = {};
  for (const [name, entry] of Object.entries(schema)) {
    const value = values[name];
    if (value === undefined || ['load', 'method', 'methodSettings'].includes(name)) continue;
    if (entry.kind === 'group') {
      Object.assign(found, deciding(entry.members, value as Record<string, unknown>, `${prefix}${name}.`));
    } else if (!placeKinds.has(entry.kind) && !entry.neutral) found[`${prefix}${name}`] = jsonOf(value);
  }
  return found;
}

/**
 * Everything that is not as it was, a phrase each.
 *
 * @param before of the run whose checkpoint it is
 */
export function differences(before: RunIdentity, now: RunIdentity): string[] {
  const changed: string[] = [];
  for (const [name, was, is] of pairs(before.settings, now.settings)) {
    changed.push(`${flagOf(name)} was ${shown(was)} and is ${shown(is)}`);
  }
  for (const [name, was, is] of pairs(before.inputs, now.inputs)) {
    const [, whose, file] = /^(model|base)\/(.*)$/s.exec(name) ?? [];
    const what = whose === undefined ? flagOf(name) : `the ${whose}'s file ${file}`;
    if (was === undefined) changed.push(`${what} is new`);
    else changed.push(is === undefined ? `${what} is missing` : `${what} has changed (its SHA-256 is another)`);
  }
  for (const [name, was, is] of pairs(before.loading, now.loading)) {
    changed.push(`${name === 'engine' ? 'the engine' : `--${kebab(name)}`} was ${shown(was)} and is ${shown(is)}`);
  }
  return changed;
}

/**
 * Refuses a run that is another than the one whose checkpoint it is.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT, with all that has changed
 */
export function requireSame(before: RunIdentity, now: RunIdentity, folder: string): void {
  const changed = differences(before, now);
  if (changed.length === 0) return;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `${folder} has checkpoints of another run, which cannot be resumed as this one: ${changed.join('; ')}. Give what it had ` +
      '(--resume and --out alone take all settings from the checkpoint), or begin anew (--overwrite, without --resume)',
    { argument: 'resume', changed },
  );
}

function* pairs<Value extends Json>(
  before: Readonly<Record<string, Value>>,
  now: Readonly<Record<string, Value>>,
): Generator<[string, Value | undefined, Value | undefined]> {
  for (const name of new Set([...Object.keys(before), ...Object.keys(now)])) {
    if (JSON.stringify(before[name]) !== JSON.stringify(now[name])) yield [name, before[name], now[name]];
  }
}

/** The hashes of a set's files, in order. */
function sumsOf({ files }: ExampleSet): string {
  return files.map(({ sha256 }) => sha256).join(' ');
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function shown(value: Json | undefined): string {
  if (value === undefined) return 'not given';
  if (typeof value === 'string') return describe(value);
  return describe(JSON.stringify(value)).slice(1, -1).replaceAll('\\"', '"');
}

/** What JSON holds of it, seeds as texts, names in order. */
function jsonOf(value: unknown): Json {
  const text = JSON.stringify(value, (_, each) => {
    if (typeof each === 'bigint') return String(each);
    if (typeof each !== 'object' || each === null || Array.isArray(each)) return each;
    return Object.fromEntries(Object.entries(each).sort(([one], [other]) => (one < other ? -1 : 1)));
  });
  return JSON.parse(text) as Json;
}

function present(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
