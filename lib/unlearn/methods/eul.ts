/**
 * EUL's selective objective: apart from the starting model on what is to be forgotten, together with it on what is kept.
 *
 * @module
 */

import { defineMethod } from '../algorithm.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { saturatingAscent } from '../objectives/saturating-ascent.ts';
import { choiceSetting, integerSetting, numberSetting } from '../setting.ts';
import { retainSet, targetSet, targetText } from '../source.ts';
import type { Turn } from '../turns.ts';

/** A turn of the retain set in proportion to that of the forget set, else a small forget set has a run of retain steps all but alone. */
const boundedTurn = { examples: 400, perTarget: 10 };

export const eul = defineMethod({
  name: 'eul',
  summary:
    'selective teacher and student: drawn away from the starting model on the forget set, held to it on the retain set, epoch by epoch in turns',
  paper: 'Chen and Yang 2023, arXiv 2310.20150',
  formula:
    'an epoch of the forget set on -s(KL)(forget) - gamma * s(-log p)(text of forget), then one of the retain set on alpha * KL(retain) + ' +
    'lambda * CE(retain), and so on; KL: KL(starting model || model); s(v) = bound * (1 - exp(-v / bound)) of each token; means over tokens',
  departures:
    'The paper names no bound, and both of its terms on the forget set have none; here each token counts at most bound, and less the ' +
    'further it has come: s has the slope exp(-v / bound), which is 1 at 0 and falls to 0 without a jump. A large bound is the ' +
    "paper's objective. The paper sums over examples where this takes means over tokens, so its factors act between means. A decoder's " +
    "language-model loss, over every token of question and answer, stands for T5's masked words. The paper trains adapters alone (--unlearning-layers); this " +
    'trains whatever weights the run may move. The two terms of a set are two passes of the model. The forget set comes first, so that a ' +
    'run of whole epochs ends on the retain set.',
  settings: {
    alpha: numberSetting('factor of the divergence from the starting model on the retain set', 0.8),
    lambda: numberSetting('factor of the cross-entropy of the retain set', 1),
    gamma: numberSetting('factor of the ascent on the text of the forget set, question and answer', 0.2),
    bound: numberSetting('how much a token of the forget set counts at most, in nats', 5, { lowExclusive: true }),
    alternation: choiceSetting(
      'epochs: the sets take turns; together: each step has examples of both, one of the retain set beside each to forget',
      ['epochs', 'together'],
      'epochs',
    ),
    retainTurn: choiceSetting(
      `with epochs: how much of the retain set its turn takes, the next going on where it ended: all, as in the paper; or bounded, ${boundedTurn.examples} examples, and no more than ${boundedTurn.perTarget} for each to forget`,
      ['all', 'bounded'],
      'all',
    ),
    retainExamples: integerSetting(
      'with epochs: in place of retainTurn, so many examples, or all that there are',
      undefined,
    ),
  },
  runDefaults: { retainTurn: 'bounded' },
  advice: { forgetMore: { bound: 'raise' }, keepMore: { alpha: 'raise' } },
  promises: { forget: 0.3, retain: 0.9 },
  paperTrains: 'unlearning-layers',
  learningRates: { adamw: 8e-6, sophia: 1.3e-5, 'soul-repo': 5e-6 },
  terms: ({ alpha, lambda, gamma, bound }) => {
    const away = saturatingAscent({ bound });
    return [
      { name: 'forget', source: targetSet, objective: away, quantity: 'kl' },
      { name: 'forgetText', source: targetText, objective: away, coefficient: gamma },
      { name: 'retain', source: retainSet, objective: crossEntropy, coefficient: lambda },
      { name: 'retainDivergence', source: retainSet, objective: crossEntropy, quantity: 'kl', coefficient: alpha },
    ];
  },
  turns: ({ alternation, retainTurn, retainExamples: examples }) => {
    if (alternation === 'together') return undefined;
    const unasked: Omit<Turn, 'terms'> = retainTurn === 'bounded' ? boundedTurn : {};
    const length = examples === undefined ? unasked : { examples };
    return [{ terms: ['forget', 'forgetText'] }, { terms: ['retain', 'retainDivergence'], ...length }];
  },
});
