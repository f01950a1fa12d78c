/**
 * Figures of answers: their probability, what of them is generated, and which the model prefers.
 *
 * @module
 */

import { answerProbability, perplexity, probabilityAgainstWrong } from '../metrics/answer-probability.ts';
import { logTruthRatio, nearnessToOne, preferenceForTruth } from '../metrics/truth-ratio.ts';
import type { AnswerLoss, EvaluationSet, LogItem } from '../tofu/log.ts';
import { itemMetric, itemsOf, type Metric, type Subject } from './figure.ts';

const four = ['forget', 'retain', 'realAuthors', 'worldFacts'] as const satisfies EvaluationSet[];

const losses = (answers: readonly AnswerLoss[]): number[] => answers.map(({ meanLoss }) => meanLoss);

/** Against the wrong answers where the model is to know the right one from them, and by itself where it was trained on it. */
export const probabilityFigure = itemMetric({
  name: 'probability',
  title: 'probability',
  sets: four,
  of({ answer, perturbed }, { profile }, set) {
    if (set === 'forget' || set === 'retain') return answerProbability(answer.meanLoss);
    if (!perturbed) return 'the log has no losses of wrong answers';
    return probabilityAgainstWrong(answer.meanLoss, losses(perturbed), profile.optionsEpsilon);
  },
});

const lacksGeneration = 'the log has no generated answers';

export const rougeLFigure = itemMetric({
  name: 'rougeLRecall',
  title: 'ROUGE-L recall',
  sets: four,
  of: ({ rougeLRecall }) => rougeLRecall ?? lacksGeneration,
});

export const rouge1Figure = itemMetric({
  name: 'rouge1Recall',
  title: 'ROUGE-1 recall',
  sets: four,
  of: ({ rouge1Recall }) => rouge1Recall ?? lacksGeneration,
});

/** log R of an item in a profile's convention; NaN where both sides have a probability of 0. */
export function itemTruthRatio({ answer, paraphrased, perturbed }: LogItem, subject: Subject): number | string {
  if (!perturbed) return 'the log has no losses of wrong answers';
  return logTruthRatio((paraphrased ?? answer).meanLoss, losses(perturbed), subject.profile.truthRatio);
}

export const truthRatioFigure = itemMetric({
  name: 'truthRatio',
  title: 'truth ratio',
  sets: four,
  of(item, subject, set) {
    const ratio = itemTruthRatio(item, subject);
    if (typeof ratio === 'string') return ratio;
    return set === 'forget' ? nearnessToOne(ratio, subject.profile.truthRatio.epsilon) : preferenceForTruth(ratio);
  },
});

export const perplexityFigure: Metric = {
  name: 'perplexity',
  title: 'perplexity',
  sets: [...four, 'holdout'],
  estimate(subject, set) {
    const items = itemsOf(subject, set!);
    if (typeof items === 'string') return items;
    const answers = items.flatMap(({ answer: { meanLoss, tokens } }) =>
      tokens === undefined ? [] : [{ meanLoss, tokens }],
    );
    if (answers.length < items.length) return 'the log does not say how many tokens answers have';
    return {
      groups: [{ name: set!, size: answers.length }],
      figure: ([drawn]) => perplexity(Array.from(drawn!, (index) => answers[index]!)),
    };
  },
};

/** SOUL's accuracy on sets of short answers: whether the answer stands in what is generated, in any case of letters. */
export const containsAnswerFigure = itemMetric({
  name: 'containsAnswer',
  title: 'answer generated',
  sets: ['realAuthors', 'worldFacts'],
  of: ({ texts }) =>
    texts ? Number(texts.generation.toLowerCase().includes(texts.answer.trim().toLowerCase())) : lacksGeneration,
});
