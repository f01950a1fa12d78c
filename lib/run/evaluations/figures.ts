/**
 * The figures that a run can measure of a set on its way; a new one is an entry here.
 *
 * @module
 */

import type { GeneratedAnswer } from '../../eval/generation.ts';
import { exactMemorization } from '../../eval/metrics/exact-memorization.ts';
import { extractionStrength } from '../../eval/metrics/extraction-strength.ts';
import { likelihood } from '../../eval/probability.ts';
import type { SequenceScores } from '../../eval/token-scores.ts';

/** A figure of each example, whose mean is the set's: of the right answer's tokens, or of what the model answers, which takes longer. */
type SetFigure = { readonly text: string } & (
  | { readonly ofScores: (scores: SequenceScores) => number; readonly ofAnswer?: never }
  | { readonly ofAnswer: (answer: GeneratedAnswer) => number; readonly ofScores?: never }
);

/** By the names that `soul eval` calls them. */
export const setFigures = {
  probability: {
    text: 'of the right answer, normalised by its length',
    ofScores: ({ logProbability }) => likelihood(logProbability).probability,
  },
  meanNegativeLogLikelihood: {
    text: 'of its tokens, in nats',
    ofScores: ({ logProbability }) => likelihood(logProbability).meanNegativeLogLikelihood,
  },
  exactMemorization: {
    text: "share of its tokens that are the model's most likely ones",
    ofScores: ({ isArgmax }) => exactMemorization(isArgmax) ?? Number.NaN,
  },
  extractionStrength: {
    text: 'share of it that the model says by itself once it has the rest',
    ofScores: ({ isArgmax }) => extractionStrength(isArgmax),
  },
  rougeLRecall: { text: 'of greedy answers', ofAnswer: (answer) => answer.rougeLRecall },
  rouge1Recall: { text: 'of greedy answers', ofAnswer: (answer) => answer.rouge1Recall },
} as const satisfies Record<string, SetFigure>;

export type SetFigureName = keyof typeof setFigures;

export const setFigureNames = Object.keys(setFigures) as SetFigureName[];

/** What a figure is computed from. */
export function setFigure(name: SetFigureName): SetFigure {
  return setFigures[name];
}

/** Whether the model must answer for any of them. */
export function needAnswers(names: readonly SetFigureName[]): boolean {
  return names.some((name) => setFigure(name).ofAnswer !== undefined);
}

/** Figures in words and numbers, as `probability 0.1234, rougeLRecall 0.5678`. */
export function figuresInWords(figures: Readonly<Partial<Record<SetFigureName, number>>>): string {
  return setFigureNames
    .filter((name) => figures[name] !== undefined)
    .map((name) => `${name} ${figures[name]!.toFixed(4)}`)
    .join(', ');
}
