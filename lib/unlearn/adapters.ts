/**
 * What algorithms ask of models whose adapters train in place of their weights.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import type { ModelFacts } from './algorithm.ts';

/**
 * Refuses adapters that are made anew, and add nothing to the model yet: B is 0, and so is the gradient of A.
 *
 * @param why what the algorithm would look for in them
 * @throws SoulError SOUL_UNSUPPORTED
 */
export function refuseFreshAdapters({ adapters }: ModelFacts, name: string, why: string): void {
  if (!adapters?.isFresh) return;
  throw new SoulError(
    'SOUL_UNSUPPORTED',
    `${name} ${why}, and fresh adapters hold nothing yet (of each B is 0, and so is the gradient of A): give the folder of adapters that ` +
      'were trained, or a whole model without --lora and --unlearning-layers',
    { argument: 'lora' },
  );
}
