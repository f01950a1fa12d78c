/**
 * The method that an algorithm puts something around.
 *
 * @module
 */

import { invalidArgument } from '../core/errors.ts';
import type { LearningRates } from './algorithm.ts';
import type { Method } from './method.ts';
import { methods } from './methods/index.ts';
import { completeSettings, textSetting } from './setting.ts';

/** The setting that names it. */
export const innerMethodSetting = textSetting(
  'the method inside, with the settings that runs give it, and its learning rates',
  'npo',
);

/** Fine-tuning inside would teach what is to be forgotten. */
const inner = methods.filter(({ name }) => name !== 'finetune');

/**
 * A method by its name, with the settings of runs.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for one that there is not
 */
export function innerMethod(name: string | undefined): Method {
  const found = definitionOf(name);
  return found.method(completeSettings(found.name, found.settings, found.runDefaults) as never);
}

/** The learning rates of the method inside. */
export function innerLearningRates(name: string | undefined): LearningRates {
  return definitionOf(name).learningRates!;
}

function definitionOf(name: string | undefined): (typeof inner)[number] {
  const found = inner.find((each) => each.name === name);
  if (found) return found;
  throw invalidArgument('method', `one of ${inner.map((each) => each.name).join(', ')}`, name);
}
