/**
 * The term on the forget set that gradient rules are put around.
 *
 * @module
 */

import { boundedCrossEntropy } from '../objectives/bounded-cross-entropy.ts';
import { gradientAscent } from '../objectives/gradient-ascent.ts';
import { negativePreference } from '../objectives/negative-preference.ts';
import { choiceSetting } from '../setting.ts';
import { targetSet } from '../source.ts';
import type { Term } from '../term.ts';

const objectives = { ascent: gradientAscent, npo: negativePreference(), uce: boundedCrossEntropy };

export type ForgetLoss = keyof typeof objectives;

/** The setting that names it. */
export function forgetLossSetting<const Fallback extends ForgetLoss>(fallback: Fallback) {
  const choices = Object.keys(objectives) as ForgetLoss[];
  return choiceSetting(
    'loss on the forget set: ascent, without bound; npo with its defaults; uce, bounded cross-entropy',
    choices,
    fallback,
  );
}

export function forgetTerm(forgetLoss: ForgetLoss, coefficient: number): Term {
  return { name: 'forget', source: targetSet, objective: objectives[forgetLoss], coefficient };
}
