/**
 * What a study's file may say, in lists: types, checks, defaults and the JSON Schema follow from them.
 *
 * @module
 */

import { checkNumber } from '../../core/checks.ts';
import { invalidArgument } from '../../core/errors.ts';
import { type OptimizerName, optimizerNames, optimizerSettings } from '../../run/optimizer-choice.ts';
import {
  choicesSetting,
  conditionsSetting,
  type Made,
  namedPathsSetting,
  pathSetting,
  pathsSetting,
  type RunSchema,
  type RunSetting,
  seedSetting,
  settingGroup,
  switchSetting,
  textSetting,
  valueSetting,
} from '../../run/run-setting.ts';
import { curvatureSettings } from '../../unlearn/curvature.ts';
import { type AlgorithmName, algorithms } from '../../unlearn/registry.ts';
import { choiceSetting, integerSetting, numberSetting } from '../../unlearn/setting.ts';
import { innerSettingOf } from './inside.ts';
import type { LogRange, StudyEvaluation } from './study.ts';

/** A name that is part of file names, of which a `.` parts several. */
function nameSetting(text: string): Made<string> {
  const expected = 'a name of letters, digits, - and _, at most 40 of them';
  const check = (name: string, value: unknown) => {
    if (typeof value !== 'string' || !/^[A-Za-z0-9][\w-]{0,39}$/.test(value))
      throw invalidArgument(name, expected, value);
  };
  return { text, kind: 'text', expected, fallback: undefined, check };
}

/** Two numbers above 0, between which is searched on a logarithmic scale. */
function rangeSetting(text: string, fallback: LogRange, below = Number.POSITIVE_INFINITY): RunSetting<LogRange> {
  const end = Number.isFinite(below) ? ` and below ${below}` : '';
  const expected = `two numbers above 0${end}, the lower first`;
  const bounds = { lowExclusive: true, ...(Number.isFinite(below) ? { high: below, highExclusive: true } : {}) };
  const check = (name: string, value: unknown) => {
    if (!Array.isArray(value) || value.length !== 2) throw invalidArgument(name, `an array of ${expected}`, value);
    const [low, high] = value.map((each, i) => checkNumber(`${name}[${i}]`, each, bounds));
    if (low! > high!) throw invalidArgument(name, `an array of ${expected}`, `${low}, ${high}`);
  };
  return { text, kind: 'numbers', expected, fallback, check };
}

/** Some of several words, or none. */
function someSetting<Choice extends string>(text: string, choices: readonly Choice[]): RunSetting<readonly Choice[]> {
  const some = choicesSetting(text, choices);
  const check = (name: string, value: unknown) => {
    if (!(Array.isArray(value) && value.length === 0)) some.check(name, value);
  };
  return { ...some, choices, expected: `none, or ${some.expected}`, fallback: [], check };
}

const examples = (set: string) =>
  `examples of the ${set} that are measured, spread evenly over it; half of them choose`;

/** What stands beside the four lists. */
export const studySettings = {
  name: nameSetting("what the study is called, in names of files; default its file's name"),
  title: textSetting('what it is about, in a line; default its name'),
  seed: seedSetting('seed of every random draw; draw n has the batches of seed + n', 0n),
  trials: integerSetting('settings that every cell tries, for each draw', 8, { high: 10_000 }),
  draws: integerSetting('draws of the batches, the same for every optimizer', 5, { high: 10_000 }),
  search: settingGroup('what is searched, each on a logarithmic scale', {
    learningRate: rangeSetting("factors on the optimizer's default learning rate", [0.25, 4]),
    retainCoefficient: rangeSetting("factors on the method's retain coefficient, where it has one", [0.5, 4]),
    clippedFraction: rangeSetting('shares of weights, of optimizers that search it', [0.01, 0.5], 1),
  }),
  training: settingGroup('how long a trial is', {
    epochs: numberSetting('passes over the forget set; default as `soul unlearn` has it', undefined, {
      lowExclusive: true,
      high: 2 ** 31,
    }),
    steps: { ...integerSetting('optimizer steps, instead of epochs', undefined), insteadOf: 'epochs' },
    batchSize: integerSetting('examples in a step', 8),
    microBatchSize: integerSetting('examples in memory at a time; default the batch size', undefined),
    maximumLength: integerSetting('longest example in tokens', 512, { low: 2 }),
  }),
  evaluation: settingGroup('what is measured', {
    points: integerSetting('points of the path at which both sets are measured, the end among them', 8, { high: 1000 }),
    forget: integerSetting(examples('forget set'), 40, { low: 2 }),
    retain: integerSetting(examples('retain set'), 40, { low: 2 }),
    utility: integerSetting('examples of each other set that are measured at the end', 40, { low: 0 }),
    tofu: integerSetting("items of each of TOFU's sets at the end of a trial; 0: not asked", 0, { low: 0 }),
    attacks: someSetting<StudyEvaluation['attacks'][number]>('attacks at the end of a trial', ['relearn', 'nf4']),
  }),
  dtype: choiceSetting('number format of the weights', ['f32', 'bf16'], 'f32'),
  threads: integerSetting('threads of a trial, on which its last digits depend', 1, { high: 4096 }),
  texts: switchSetting(
    'keep a few answers of each trial, too, where data are not made up; default false, those of made data are kept',
  ),
} as const satisfies RunSchema;

const made = choiceSetting('what the demo makes itself', ['demo'], undefined);
const modelName = nameSetting('what the model is called in tables and names of files');

/** A model, by what tells it from others. */
export const modelForms = {
  model: {
    name: modelName,
    model: pathSetting('folder of a model that knows both sets'),
    retrained: pathSetting('folder of one that was trained on the retain set alone'),
  },
  base: {
    name: modelName,
    base: pathSetting('folder of a model that is fine-tuned on both sets, and another on the retain set alone'),
    training: settingGroup('how it is fine-tuned', {
      epochs: numberSetting('passes over the data', 5, { lowExclusive: true, high: 2 ** 31 }),
      batchSize: integerSetting('examples in a step', 8),
      learningRate: numberSetting('peak learning rate; default that of `soul train`', undefined, {
        lowExclusive: true,
      }),
    }),
  },
  made: { name: modelName, made },
} as const satisfies Readonly<Record<string, RunSchema>>;

const splitName = nameSetting('what the split is called in tables and names of files');

/** A split, likewise. */
export const splitForms = {
  forget: {
    name: splitName,
    forget: pathsSetting('examples to forget'),
    forgetFilter: conditionsSetting('forget those examples alone that match a condition'),
    retain: pathsSetting('examples to keep'),
    retainFilter: conditionsSetting('keep those examples alone that match a condition'),
    utility: namedPathsSetting('sets that no step uses, by name, measured at the end', ['forget', 'retain']),
    tofu: pathSetting("folder of TOFU's evaluation sets"),
    tofuSplit: textSetting('name of the forget set there, as forget10'),
  },
  made: { name: splitName, made },
} as const satisfies Readonly<Record<string, RunSchema>>;

/** A method; its name alone stands for one with the defaults of runs. */
export const methodForm = {
  name: choiceSetting(
    'a method, as `soul methods` lists them',
    algorithms.map(({ name }) => name as AlgorithmName),
    undefined,
  ),
  settings: valueSetting<Readonly<Record<string, unknown>>>('settings by the names that `soul methods <name>` lists'),
} as const satisfies RunSchema;

/** Algorithms that a method may run inside, on the sets that every study has. */
const around = algorithms
  .filter((each) => innerSettingOf(each) !== undefined && each.groupsBy === undefined)
  .map(({ name }) => name as AlgorithmName);

const optimizerChoices = Object.keys(optimizerNames) as OptimizerName[];

/** An optimizer of the file's own. */
export const optimizerForm = {
  name: nameSetting('what it is called in tables and names of files'),
  text: textSetting('what it is, in a line'),
  optimizer: choiceSetting('the optimizer of runs that it is', optimizerChoices, undefined),
  settings: settingGroup('its settings, but for the learning rate, which is searched', optimizerSettings),
  curvature: settingGroup('sophia: how the curvature is estimated', curvatureSettings),
  hessianData: choiceSetting('sophia: whose curvature is estimated', ['retain', 'forget', 'both'], undefined),
  inside: choiceSetting('an algorithm that the method runs inside', around, undefined),
  ratesOf: choiceSetting(
    'the optimizer whose default learning rate the search is around; default its own',
    optimizerChoices,
    undefined,
  ),
  searches: someSetting('what is searched beside learning rate and retain coefficient', ['clippedFraction']),
} as const satisfies RunSchema;
