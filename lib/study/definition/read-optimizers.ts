/**
 * The methods and optimizers of a study's file.
 *
 * @module
 */

import { isDeepStrictEqual } from 'node:util';
import { describe, SoulError } from '../../core/errors.ts';
import { closestName } from '../../core/option-names.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { checkOptimizer, optimizerNames, optimizerSettings } from '../../run/optimizer-choice.ts';
import { chooseAlgorithm } from '../../run/run-defaults.ts';
import type { Algorithm } from '../../unlearn/algorithm.ts';
import { settingsInFull } from '../../unlearn/inner-method.ts';
import { type AlgorithmName, algorithm } from '../../unlearn/registry.ts';
import { studyOptimizers } from '../optimizers/list.ts';
import { estimatesOf, settingsOf } from './inside.ts';
import { at, refusal, valuesAt } from './places.ts';
import type { Study, StudyMethod, StudyOptimizer } from './study.ts';
import { methodForm, optimizerForm } from './study-settings.ts';

/**
 * A method as a file has it: its name, or that with settings.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function methodAt(place: string, value: unknown): StudyMethod {
  if (typeof value === 'string') return methodWith(place, named(place, value), {});
  const { name } = Object(value) as { readonly name?: unknown };
  // Before the list of all names would be told.
  if (typeof name === 'string') named(`${place}.name`, name);
  const { name: checked, settings = {} } = valuesAt(place, methodForm, value, ['name']);
  return methodWith(`${place}.settings`, named(`${place}.name`, checked!), settings);
}

function named(place: string, name: string): Algorithm {
  const found = at(place, () => algorithm(name));
  if (found.name !== 'finetune') return found;
  throw refusal(place, 'finetune would teach what is to be forgotten; take another method');
}

function methodWith(place: string, found: Algorithm, settings: object): StudyMethod {
  const name = found.name as AlgorithmName;
  const names = [...Object.keys(found.settings), ...Object.keys(settings)];
  const chosen = at(place, () => chooseAlgorithm(name, settings), names);
  return { name, settings: settingsInFull(found, chosen.settings) };
}

/**
 * An optimizer as a file has it: the name of one that studies know, or one of its own.
 *
 * @param search whose ends an optimizer must take, where it searches
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function optimizerAt(place: string, value: unknown, { search, dtype }: Pick<Study, 'search' | 'dtype'>) {
  const optimizer = typeof value === 'string' ? knownAt(place, value) : ownAt(place, value);
  const ends = optimizer.searches.includes('clippedFraction') ? search.clippedFraction : [undefined];
  for (const clippedFraction of ends) {
    const settings = at(
      `${place}.settings`,
      () => settingsOf(optimizer, clippedFraction),
      Object.keys(optimizer.settings),
    );
    at(`${place}.settings`, () => checkOptimizer(optimizer.optimizer, settings, dtype), Object.keys(optimizerSettings));
  }
  at(`${place}.curvature`, () => estimatesOf(optimizer));
  return optimizer;
}

function knownAt(place: string, name: string): StudyOptimizer {
  const found = studyOptimizers.find((each) => each.name === name);
  if (found) return found;
  const names = studyOptimizers.map((each) => each.name);
  const closest = closestName(name, names);
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `${place}: there is no optimizer ${describe(name)}; ${closest === undefined ? `there are ${names.join(', ')}` : `did you mean ${closest}?`} ` +
      'One of your own is an object with name, optimizer and settings',
    { argument: place, found: name },
  );
}

function ownAt(place: string, value: unknown): StudyOptimizer {
  const given = valuesAt(place, optimizerForm, value, ['name', 'optimizer']);
  // Defaults are filled in where a trial is made, and depend on what is searched.
  const { settings = {}, curvature = {} } = value as Pick<StudyOptimizer, 'settings' | 'curvature'>;
  const { name, text, optimizer, hessianData, inside, ratesOf, searches } = given;
  const own: StudyOptimizer = {
    name: name!,
    text: text ?? optimizerNames[optimizer!],
    optimizer: optimizer!,
    settings,
    curvature,
    ...withoutUndefined({ hessianData, inside, ratesOf }),
    searches: searches!,
  };
  checkOwn(place, own);
  const known = studyOptimizers.find((each) => each.name === own.name);
  if (known === undefined || isDeepStrictEqual({ ...own, text: '' }, { ...known, text: '' })) return own;
  throw refusal(
    `${place}.name`,
    `${own.name} is an optimizer that studies know, and another than this; take another name`,
  );
}

/** What stands in several places at once. */
function checkOwn(place: string, { optimizer, settings, curvature, hessianData, searches }: StudyOptimizer): void {
  if (settings.learningRate !== undefined) {
    throw refusal(
      `${place}.settings.learningRate`,
      'the learning rate is searched; leave it out, and set the range in search.learningRate',
    );
  }
  if (optimizer !== 'sophia' && (hessianData !== undefined || Object.keys(curvature).length > 0)) {
    const own = hessianData === undefined ? 'curvature' : 'hessianData';
    throw refusal(`${place}.${own}`, `estimates belong to the optimizer sophia, not to ${optimizer}; leave it out`);
  }
  if (!searches.includes('clippedFraction')) return;
  for (const setting of ['clippedFraction', 'rho'] as const) {
    if (settings[setting] === undefined) continue;
    throw refusal(`${place}.settings.${setting}`, 'the clipped fraction is searched; leave one of the two out');
  }
}
