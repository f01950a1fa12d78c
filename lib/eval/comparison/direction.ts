/**
 * Which of two models a figure speaks for.
 *
 * @module
 */

import type { Profile } from '../profiles.ts';
import type { EvaluationSet } from '../tofu/log.ts';

/** What is better: more, less, or what is nearer to a number; undefined where nothing can be said without a retrained model. */
export type Direction = 'higher' | 'lower' | { readonly nearest: number } | undefined;

type Rule = (set: EvaluationSet | undefined, profile: Profile) => Direction;

/** Of figures of knowledge: less of what was to be forgotten, more of the rest; of texts never seen neither. */
const knowledge: Rule = (set) => (set === 'forget' ? 'lower' : set === 'holdout' ? undefined : 'higher');

/** A model that never saw the forget set has 0.5 where the others are alike but for that, and not of texts of another kind. */
const membership: Rule = (_, profile) => (profile.membership.nonMembers === 'holdout' ? { nearest: 0.5 } : undefined);

const rules: Readonly<Record<string, Rule>> = {
  // Against the model's own retain set one that was trained without the forget set comes out worst, so more is not better.
  forgetQuality: (_, profile) => (profile.forgetQuality === 'the retrained model' ? 'higher' : undefined),
  modelUtility: () => 'higher',
  probability: knowledge,
  rougeLRecall: knowledge,
  rouge1Recall: knowledge,
  accuracy: knowledge,
  containsAnswer: knowledge,
  exactMemorization: knowledge,
  extractionStrength: knowledge,
  // On the forget set better is what a retrained model has.
  truthRatio: (set) => (set === 'forget' ? undefined : 'higher'),
  perplexity: (set) => (set === 'forget' || set === 'holdout' ? undefined : 'lower'),
  membershipLoss: membership,
  membershipZlib: membership,
  membershipMinK: membership,
  membershipMinKPlusPlus: membership,
  membershipReference: membership,
  privleak: (_, profile) => (profile.membership.nonMembers === 'holdout' ? { nearest: 0 } : undefined),
};

/** What is better of a metric; undefined for one that is not known. */
export function directionOf(metric: string, set: EvaluationSet | undefined, profile: Profile): Direction {
  return Object.hasOwn(rules, metric) ? rules[metric]!(set, profile) : undefined;
}

/** The better value is the one whose distance to this is less. */
export function distanceFromBest(direction: NonNullable<Direction>): (value: number) => number {
  if (direction === 'higher') return (value) => -value;
  if (direction === 'lower') return (value) => value;
  return (value) => Math.abs(value - direction.nearest);
}
