/**
 * Figures of membership inference.
 *
 * @module
 */

import { membershipAuc, minKPlusPlusScore, minKScore, referenceScore, zlibScore } from '../metrics/membership.ts';
import { privleak } from '../metrics/privleak.ts';
import { likelihood } from '../probability.ts';
import type { Profile } from '../profiles.ts';
import type { EvaluationLog, EvaluationSet, LogItem, MembershipAttack, TokenFigures } from '../tofu/log.ts';
import {
  besideItself,
  drawn,
  type Estimate,
  isBesideItself,
  itemsOf,
  type Metric,
  numbersOf,
  type Outcome,
  type Subject,
} from './figure.ts';
import { lacksTokens, viewedTokens } from './memorization.ts';

/** The score of a text; in words, what the log lacks for it. */
type Score = (item: LogItem, subject: Subject, twin: LogItem | undefined) => number | string;

function nonMemberSets({ membership }: Profile): readonly EvaluationSet[] {
  return membership.nonMembers === 'holdout' ? ['holdout'] : ['realAuthors', 'worldFacts'];
}

function scoresOf(subject: Subject, log: EvaluationLog, set: EvaluationSet, score: Score): readonly number[] | string {
  const items = itemsOf(subject, set, log);
  if (typeof items === 'string') return items;
  const twins = subject.reference && itemsOf(subject, set, subject.reference);
  return numbersOf(items, (item, i) => score(item, subject, typeof twins === 'string' ? undefined : twins?.[i]));
}

function aucEstimate(subject: Subject, log: EvaluationLog, name: MembershipAttack, score: Score): Outcome {
  const given = log.membership?.[name];
  if (given) return aucOf(['forget', 'holdout'], [given.forget, given.holdout], log === subject.log);
  const others = nonMemberSets(subject.profile);
  const holdout = others.includes('holdout') && log.sets.holdout === undefined;
  if (holdout) return 'it needs texts of the same kind that the model never saw (--holdout)';
  const sets: readonly EvaluationSet[] = ['forget', ...others];
  const scores: (readonly number[])[] = [];
  for (const set of sets) {
    const ofSet = scoresOf(subject, log, set, score);
    if (typeof ofSet === 'string') return ofSet;
    scores.push(ofSet);
  }
  return aucOf(sets, scores, log === subject.log);
}

/** Of the first set against all others. */
function aucOf(sets: readonly EvaluationSet[], scores: readonly (readonly number[])[], isOwn: boolean): Estimate {
  return {
    groups: sets.map((set, i) => ({ name: isOwn ? set : `reference ${set}`, size: scores[i]!.length })),
    figure: (indices) => {
      const [members, ...nonMembers] = indices.map((ofSet, i) => drawn(scores[i]!, ofSet)) as [
        Float64Array,
        ...Float64Array[],
      ];
      return membershipAuc(
        members,
        nonMembers.flatMap((values) => [...values]),
      );
    },
  };
}

const attack = (name: MembershipAttack, title: string, score: Score): Metric => ({
  name,
  title: `membership AUC, ${title}`,
  estimate: (subject) => aucEstimate(subject, subject.log, name, score),
});

/** Loss of what a profile scores. */
function lossOf(item: LogItem, { profile }: Subject): number | string {
  if (profile.membership.text === 'answer') return item.answer.meanLoss;
  return item.wholeTokens ? likelihood(item.wholeTokens.logProbability).meanNegativeLogLikelihood : lacksTokens;
}

/** Tokens of what a profile scores; in words, why there are none. */
function tokensOf(item: LogItem, { profile }: Subject): TokenFigures | string {
  if (profile.membership.text === 'whole') return item.wholeTokens ?? lacksTokens;
  if (!item.answerTokens) return lacksTokens;
  const viewed = viewedTokens(item.answerTokens, profile);
  // An answer of nothing but the end of the text is scored by that.
  return viewed.logProbability.length > 0 ? viewed : item.answerTokens;
}

const minK: Score = (item, subject) => {
  const tokens = tokensOf(item, subject);
  return typeof tokens === 'string' ? tokens : minKScore(tokens.logProbability, subject.profile.membership.k);
};

const byReference = attack('membershipReference', 'reference', (item, subject, twin) => {
  if (!twin) return 'it needs the log of a reference model with the same sets (--retain-log)';
  const [own, other] = [lossOf(item, subject), lossOf(twin, subject)];
  if (typeof own === 'string') return own;
  return typeof other === 'string' ? other : referenceScore(own, other);
});

const referenceAttack: Metric = {
  ...byReference,
  estimate(subject, set) {
    const outcome = byReference.estimate(subject, set);
    return typeof outcome !== 'string' && isBesideItself(subject) ? { ...outcome, ...besideItself } : outcome;
  },
};

export const membershipFigures: readonly Metric[] = [
  attack('membershipLoss', 'loss', lossOf),
  attack('membershipZlib', 'zlib', (item, subject) => {
    const loss = lossOf(item, subject);
    if (typeof loss === 'string') return loss;
    if (!item.texts) return 'the log has no texts';
    const { prompt, answer } = item.texts;
    return zlibScore(loss, subject.profile.membership.text === 'answer' ? answer : prompt + answer);
  }),
  attack('membershipMinK', 'min-k', minK),
  attack('membershipMinKPlusPlus', 'min-k++', (item, subject) => {
    const tokens = tokensOf(item, subject);
    return typeof tokens === 'string' ? tokens : minKPlusPlusScore(tokens, subject.profile.membership.k);
  }),
  referenceAttack,
];

export const privleakFigure: Metric = {
  name: 'privleak',
  title: 'privleak, min-k',
  estimate(subject) {
    const own = aucEstimate(subject, subject.log, 'membershipMinK', minK);
    if (typeof own === 'string') return own;
    const reference = subject.reference && aucEstimate(subject, subject.reference, 'membershipMinK', minK);
    if (reference === undefined || typeof reference === 'string') {
      const why = reference === undefined ? 'without a retrained model' : `in the reference log, ${reference}`;
      return {
        groups: own.groups,
        figure: (indices) => privleak(own.figure(indices), 0.5),
        note: `beside an AUC of 0.5: ${why}`,
      };
    }
    return { ...paired(own, reference), ...(isBesideItself(subject) ? besideItself : {}) };
  },
};

function paired(own: Estimate, reference: Estimate): Estimate {
  const { length } = own.groups;
  return {
    groups: [...own.groups, ...reference.groups],
    figure: (indices) => privleak(own.figure(indices.slice(0, length)), reference.figure(indices.slice(length))),
  };
}
