/**
 * What a reader is told of an algorithm before it runs: the command line's and the documentation's account of it.
 *
 * @module
 */

import { withoutUndefined } from '../core/optional.ts';
import type { Algorithm, AlgorithmText, LearningRates } from './algorithm.ts';
import { needsReferenceModel } from './method.ts';
import { completeSettings, type SettingText } from './setting.ts';
import type { OptionalSet } from './source.ts';

/** Something that an algorithm cannot do without. */
export interface Need {
  readonly what: OptionalSet | 'startingModel';
  /** The settings that do without it, as `retainCoefficient=0`. */
  readonly unless?: readonly string[];
  /** The settings that alone ask for it, as `retainLoss=kl`; absent where it is needed without them. */
  readonly onlyWith?: readonly string[];
}

/** A setting, with the default that a run takes. */
export interface SettingDescription extends SettingText {
  readonly name: string;
  /** Absent where there is none. */
  readonly default?: unknown;
}

export interface AlgorithmDescription extends AlgorithmText {
  readonly needs: readonly Need[];
  readonly settings: readonly SettingDescription[];
  /** For a model of 7 billion weights; absent where it takes no steps. */
  readonly learningRates?: LearningRates;
}

/** Everything that is known of an algorithm without running it, with the defaults of runs. */
export function describeAlgorithm(algorithm: Algorithm): AlgorithmDescription {
  const { name, summary, paper, formula, departures, promises, learningRates } = algorithm;
  return {
    name,
    summary,
    paper,
    formula,
    ...(departures === undefined ? {} : { departures }),
    promises,
    needs: needsOf(algorithm),
    settings: settingsOf(algorithm),
    ...(learningRates === undefined ? {} : { learningRates }),
  };
}

function settingsOf({ settings, runDefaults }: Algorithm): SettingDescription[] {
  return Object.entries(settings).map(([name, { text, kind, expected, choices, fallback }]) => {
    const value = (runDefaults as Record<string, unknown>)[name] ?? fallback;
    return { name, text, kind, expected, ...withoutUndefined({ choices, default: value }) };
  });
}

/** What it needs with the defaults of runs, and how that changes with one other setting at a time. */
function needsOf(algorithm: Algorithm): Need[] {
  const always = needsWith(algorithm, {}) ?? [];
  const unless = new Map<Need['what'], string[]>(always.map((what) => [what, []]));
  const onlyWith = new Map<Need['what'], string[]>();
  for (const { text, settings } of trialsOf(algorithm)) {
    const needs = needsWith(algorithm, settings);
    if (needs === undefined) continue;
    for (const what of always) if (!needs.includes(what)) unless.get(what)!.push(text);
    for (const what of needs) {
      if (!unless.has(what)) onlyWith.set(what, [...(onlyWith.get(what) ?? []), text]);
    }
  }
  return [
    ...Array.from(unless, ([what, texts]) => ({ what, ...(texts.length > 0 ? { unless: texts } : {}) })),
    ...Array.from(onlyWith, ([what, texts]) => ({ what, onlyWith: texts })),
  ];
}

/** What it needs with these settings; undefined where they cannot be. */
function needsWith(algorithm: Algorithm, settings: Readonly<Record<string, unknown>>): Need['what'][] | undefined {
  try {
    const complete = completeSettings(algorithm.name, algorithm.settings, { ...algorithm.runDefaults, ...settings });
    const method = algorithm.method?.(complete as never);
    const copies = method ? needsReferenceModel(method) : algorithm.buffers?.(complete as never).startingModel;
    return [...new Set([...algorithm.needs(complete as never), ...(copies ? (['startingModel'] as const) : [])])];
  } catch {
    return undefined;
  }
}

/** Settings that may change what is needed: other words, a weight of 0, a text where there is none. */
function* trialsOf(algorithm: Algorithm): Generator<{ text: string; settings: Record<string, unknown> }> {
  for (const { name, kind, choices = [], default: value } of settingsOf(algorithm)) {
    if (kind === 'method') continue;
    if (kind === 'text') {
      if (value === undefined) yield { text: name, settings: { [name]: name } };
      continue;
    }
    const others = kind === 'choice' ? choices : kind === 'flag' ? [true, false] : [0];
    for (const other of others) if (other !== value) yield { text: `${name}=${other}`, settings: { [name]: other } };
  }
}

const namesOf: Record<Need['what'], string> = {
  retain: 'examples to keep (--retain)',
  refusals: 'refusals (a built-in list, or --refusals)',
  alternatives: 'other answers to the questions to forget (--alternatives, or --generate-alternatives)',
  groups: 'a field of the data file to split the forget set by',
  startingModel: 'a copy of the starting model in memory',
};

/** What is needed in words; beside what epochs run over. */
export function needText({ what, unless = [], onlyWith = [] }: Need): string {
  if (onlyWith.length > 0) return `with ${onlyWith.join(' or ')}: ${namesOf[what]}`;
  return unless.length > 0 ? `${namesOf[what]}, unless ${unless.join(' or ')}` : namesOf[what];
}

/** What a setting may be, in a few words. */
export function expectedText({
  kind,
  choices,
  expected,
}: Pick<SettingDescription, 'kind' | 'choices' | 'expected'>): string {
  return kind === 'choice' ? choices!.join(' or ') : expected;
}

/** What the end-to-end test holds it to, in words. */
export function promiseText({ promises }: AlgorithmText): string {
  if ('property' in promises) return promises.property;
  return (
    `of a model that knows the answers of both sets, those to forget get a probability of at most ${promises.forget}, ` +
    `those to keep of at least ${promises.retain}`
  );
}
