/**
 * The method that an algorithm puts something around.
 *
 * @module
 */

import { invalidArgument } from '../core/errors.ts';
import type { Method } from './method.ts';
import { methods } from './methods/index.ts';
import { completeSettings, textSetting } from './setting.ts';

/** The setting that names it. */
export const innerMethodSetting = textSetting(
  'the method inside, with the settings that runs give it; learning rates are for npo',
  'npo',
);

/**
 * A method by its name, with the settings of runs.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for one that there is not
 */
export function innerMethod(name: string | undefined): Method {
  const found = methods.find((each) => each.name === name);
  if (found) return found.method(completeSettings(found.name, found.settings, found.runDefaults) as never);
  throw invalidArgument('method', `one of ${methods.map((each) => each.name).join(', ')}`, name);
}
