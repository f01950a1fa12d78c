/**
 * Constructors that only the package itself calls. TypeScript hides them; JavaScript does not.
 *
 * @module
 */

import { SoulError } from './errors.ts';

/** First argument of such a constructor: nobody outside the package has it. */
export const ownKey: unique symbol = Symbol('soul-unlearn');

/**
 * @param instead what makes an object of the class
 * @throws SoulError SOUL_INVALID_ARGUMENT for whoever has not the key
 */
export function checkOwn(key: unknown, name: string, instead: string): void {
  if (key === ownKey) return;
  throw new SoulError('SOUL_INVALID_ARGUMENT', `new ${name} is not for callers; use ${instead}`, { argument: name });
}
