/**
 * What makes one model of another: an algorithm, with everything that is to be known of it before it runs.
 *
 * @module
 */

import { checkBoolean, checkChoice, checkNumber } from '../core/checks.ts';
import { invalidArgument } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { AdapterConfig } from '../model/adapter/adapter-config.ts';
import type { ParameterLayout } from '../model/parameter-layout.ts';
import type { DescentSummary, RunEvent } from './events.ts';
import type { GradientRule } from './gradient-rule.ts';
import type { Lab } from './lab.ts';
import { type Method, setsNeeded } from './method.ts';
import { type CompleteSettings, completeSettings, type GivenSettings, isSetting, type Schema } from './setting.ts';
import type { DataSets, OptionalSet } from './source.ts';
import type { Term } from './term.ts';
import type { Turn } from './turns.ts';

/**
 * Peak learning rates for a model of 7 billion weights, by the optimizer; see `defaultLearningRate`. Those of other optimizers than
 * these three follow from them where they are not named.
 */
export interface LearningRates {
  readonly adamw: number;
  readonly sophia: number;
  readonly 'soul-repo': number;
  readonly [optimizer: string]: number;
}

/** What is told of an algorithm. */
export interface AlgorithmText<Name extends string = string> {
  /** On the command line and in records. */
  readonly name: Name;
  /** What it does, in a line that begins in lower case. */
  readonly summary: string;
  /** Where it is from: authors, arXiv number. */
  readonly paper: string;
  /** What it minimises or computes, as a formula in plain text. */
  readonly formula: string;
  /** What departs from the paper, or from its released code, and why; absent where nothing does. */
  readonly departures?: string;
  /** What the end-to-end test holds it to, on a model that knows the answers of both sets. */
  readonly promises: Promises;
}

/** The probability of the forget set's answers after it at most, and of the retain set's at least; or a property in words. */
export type Promises = { readonly forget: number; readonly retain: number } | { readonly property: string };

/** Which way a setting should go. */
export type Directions<Settings> = { readonly [Name in keyof Settings]?: 'raise' | 'lower' };

/** What is known of a model before it is loaded. */
export interface ModelFacts {
  readonly layers: number;
  /** What its weights are held in. */
  readonly dtype: 'f32' | 'bf16';
  /** There where adapters train in place of the model's weights. */
  readonly adapters?: AdapterFacts;
}

/** What is known of adapters before they are loaded. */
export interface AdapterFacts {
  /** Whether they are made anew, and add nothing yet: their B is 0, and so is the gradient of their A. */
  readonly isFresh: boolean;
  readonly layout: ParameterLayout;
}

/** How many flat buffers of the weights' length are held, and masks of a bit a weight. */
export interface HeldBuffers {
  /** In the weights' dtype. */
  readonly copies?: number;
  readonly float32?: number;
  /** Masks beside the one that {@link freezes} speaks of. */
  readonly masks?: number;
  /** Whether it descends with a mask of its own: one more, and another where the run has one too, of what either freezes. */
  readonly freezes?: boolean;
  /** Whether it compares with a copy of the starting model; of a method its terms say so. */
  readonly startingModel?: boolean;
}

interface Definition<Name extends string, Settings extends Schema> extends AlgorithmText<Name> {
  readonly settings: Settings;
  /** Defaults that a whole run takes in place of the schema's. */
  readonly runDefaults?: GivenSettings<Settings>;
  /** Absent where it takes no steps. */
  readonly learningRates?: LearningRates;
  /** The adapters that the paper trains in place of a model's weights; absent where it trains those. */
  readonly paperTrains?: AdapterConfig['kind'];
  /** Optimizers that can step it, the best one first; absent, all. */
  readonly optimizers?: readonly string[];
  /** What a verdict advises where too little was forgotten, or too little kept: the settings to change, the best one first. */
  readonly advice?: { readonly forgetMore?: Directions<Settings>; readonly keepMore?: Directions<Settings> };
  /** Whether its weights after any step of its last descent are a result, so that a run may end there; of methods they are. */
  readonly endsAnywhere?: boolean;
  /** The setting that names the field of the data by which `sets.groups` are made. */
  readonly groupsBy?: keyof Settings & string;
  /** Flat buffers of the weights' length that it holds at a time, beside the model, its gradients and an optimizer. */
  buffers?(settings: CompleteSettings<Settings>): HeldBuffers;
  /** The layer, from 0, of so many, whose output all its passes end at that are pulled back; absent: they go through all. */
  hiddenLayer?(settings: CompleteSettings<Settings>, layers: number): number;
  /** Refuses a model that it could not run on, before it is loaded; throws. */
  checkModel?(model: ModelFacts, settings: CompleteSettings<Settings>): void;
  /** Refuses sets that it could not run on, before a model is loaded; throws. */
  checkSets?(sets: DataSets, settings: CompleteSettings<Settings>): void;
}

/** Anything that makes one model of another. */
export interface Algorithm<Name extends string = string, Settings extends Schema = Schema>
  extends Definition<Name, Settings> {
  readonly runDefaults: GivenSettings<Settings>;
  /** Of what is a descent and nothing else: its method. */
  method?(settings: CompleteSettings<Settings>): Method;
  /** The sets that it cannot do without. */
  needs(settings: CompleteSettings<Settings>): readonly OptionalSet[];
  run(lab: Lab, settings: CompleteSettings<Settings>): AsyncGenerator<RunEvent, DescentSummary | undefined, void>;
}

const definitionNames = [
  ...['name', 'summary', 'paper', 'formula', 'departures', 'promises'],
  ...['settings', 'runDefaults', 'learningRates', 'paperTrains', 'optimizers', 'advice', 'groupsBy', 'endsAnywhere'],
  ...['buffers', 'hiddenLayer', 'checkModel', 'checkSets'],
];

export interface MethodDefinition<Name extends string, Settings extends Schema> extends Definition<Name, Settings> {
  readonly learningRates: LearningRates;
  terms(settings: CompleteSettings<Settings>): readonly Term[];
  rule?(settings: CompleteSettings<Settings>): GradientRule | undefined;
  turns?(settings: CompleteSettings<Settings>): readonly Turn[] | undefined;
}

/** An algorithm that is a descent on terms. */
export function defineMethod<const Name extends string, Settings extends Schema>(
  definition: MethodDefinition<Name, Settings>,
): Algorithm<Name, Settings> & {
  readonly learningRates: LearningRates;
  method(settings: CompleteSettings<Settings>): Method;
} {
  checkNames('defineMethod', definition, [...definitionNames, 'terms', 'rule', 'turns']);
  const { terms, rule, turns, runDefaults = {}, ...text } = definition;
  const method = (settings: CompleteSettings<Settings>): Method => {
    return {
      name: text.name,
      terms: terms(settings),
      ...withoutUndefined({ rule: rule?.(settings), turns: turns?.(settings) }),
      settings,
    };
  };
  return {
    endsAnywhere: true,
    ...text,
    runDefaults: runDefaults as GivenSettings<Settings>,
    method,
    needs: (settings) => setsNeeded(method(settings)),
    run: (lab, settings) => lab.descend(method(settings)),
  };
}

export interface AlgorithmDefinition<Name extends string, Settings extends Schema> extends Definition<Name, Settings> {
  needs(settings: CompleteSettings<Settings>): readonly OptionalSet[];
  run(lab: Lab, settings: CompleteSettings<Settings>): AsyncGenerator<RunEvent, DescentSummary | undefined, void>;
}

/** An algorithm of any kind. */
export function defineAlgorithm<const Name extends string, Settings extends Schema>(
  definition: AlgorithmDefinition<Name, Settings>,
): Algorithm<Name, Settings> {
  checkNames('defineAlgorithm', definition, [...definitionNames, 'needs', 'run']);
  const { runDefaults = {}, ...rest } = definition;
  return { ...rest, runDefaults: runDefaults as GivenSettings<Settings> };
}

/**
 * The settings of an algorithm with every default filled in.
 *
 * @param given may hold other names than it knows, which are refused
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function settingsOf<Settings extends Schema>(
  algorithm: Algorithm<string, Settings>,
  given: object,
): CompleteSettings<Settings> {
  return completeSettings(algorithm.name, algorithm.settings, given);
}

/** Optimizers whose rates an algorithm must name. */
const optimizers = ['adamw', 'sophia', 'soul-repo'];

/**
 * Refuses what is no algorithm, before anything of it is run.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function checkAlgorithm(argument: string, value: object): asserts value is Algorithm {
  const {
    name,
    settings,
    runDefaults = {},
    learningRates,
    advice = {},
    groupsBy,
    endsAnywhere = false,
    needs,
    run,
    method,
    buffers,
    hiddenLayer,
    checkModel,
    checkSets,
  } = value as Partial<Algorithm>;
  if (typeof name !== 'string' || name === '') throw invalidArgument(`${argument}.name`, 'a name', name);
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) {
    throw invalidArgument(`${argument}.settings`, 'an object of settings, as numberSetting makes one', settings);
  }
  for (const [key, entry] of Object.entries(settings)) {
    if (isSetting(entry)) continue;
    throw invalidArgument(`${argument}.settings.${key}`, 'a setting, as numberSetting makes one', entry);
  }
  completeSettings(`${argument}.runDefaults`, settings, runDefaults);
  if (learningRates !== undefined) {
    for (const each of new Set([...optimizers, ...Object.keys(Object(learningRates))])) {
      checkNumber(`${argument}.learningRates.${each}`, learningRates?.[each], { lowExclusive: true });
    }
  }
  checkNames(`${argument}.advice`, advice, ['forgetMore', 'keepMore']);
  for (const [key, directions = {}] of Object.entries(advice)) {
    checkNames(`${argument}.advice.${key}`, directions, Object.keys(settings));
    for (const [setting, way] of Object.entries(directions)) {
      checkChoice(`${argument}.advice.${key}.${setting}`, way, ['raise', 'lower']);
    }
  }
  checkBoolean(`${argument}.endsAnywhere`, endsAnywhere);
  if (groupsBy !== undefined) checkChoice(`${argument}.groupsBy`, groupsBy, Object.keys(settings));
  const optional = { method, buffers, hiddenLayer, checkModel, checkSets };
  for (const [key, part] of Object.entries({ needs, run, ...optional })) {
    if (typeof part === 'function' || (part === undefined && key in optional)) continue;
    throw invalidArgument(`${argument}.${key}`, 'a function', part);
  }
}
