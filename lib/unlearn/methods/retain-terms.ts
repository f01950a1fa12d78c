/**
 * What most methods have: a coefficient of what is to be forgotten, and terms on the retain set.
 *
 * @module
 */

import { crossEntropy } from '../objectives/cross-entropy.ts';
import { choiceSetting, numberSetting } from '../setting.ts';
import { retainSet } from '../source.ts';
import type { Term } from '../term.ts';

/** Factor of the term on the forget set. */
export const forgetCoefficient = numberSetting('factor of the loss on what to forget', 1);

/** Settings of the terms on the retain set. */
export const retainSettings = {
  /** gamma in GradDiff, alpha in open-unlearning. */
  retainCoefficient: numberSetting('factor of the loss on what to keep', 1),
  retainLoss: choiceSetting(
    'what holds the retain set: ce, cross-entropy of its answers; kl, the divergence from the starting model, of which a copy is held',
    ['ce', 'kl'],
    'ce',
  ),
} as const;

/**
 * What a whole run takes: the retain term counts 5 times (SOUL's choice for PO). At 1, published for models of 7 billion weights,
 * ascent on a small model takes the retain set with it before the retain term mends anything.
 */
export const runDefaults = { retainCoefficient: 5 } as const;

/** What keeps more, of methods with these settings. */
export const advice = { keepMore: { retainCoefficient: 'raise' } } as const;

/** Terms on the retain set: KL(starting model || model) over label tokens is TOFU's (arXiv 2401.06121), for any method. */
export function retainTerms(settings: { retainCoefficient: number; retainLoss: 'ce' | 'kl' }): Term[] {
  const { retainCoefficient: coefficient, retainLoss } = settings;
  return [
    {
      name: 'retain',
      source: retainSet,
      objective: crossEntropy,
      coefficient,
      ...(retainLoss === 'kl' ? { quantity: 'kl' as const } : {}),
    },
  ];
}
