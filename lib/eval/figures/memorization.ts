/**
 * Figures of the tokens of answers.
 *
 * @module
 */

import { exactMemorization } from '../metrics/exact-memorization.ts';
import { extractionStrength } from '../metrics/extraction-strength.ts';
import type { Profile } from '../profiles.ts';
import type { EvaluationSet, LogItem, TokenFigures } from '../tofu/log.ts';
import { itemsOf, type Metric, meanOf, type Subject } from './figure.ts';

const sets = ['forget', 'retain', 'realAuthors', 'worldFacts', 'holdout'] as const satisfies EvaluationSet[];

/** What a profile looks at of an answer's tokens. */
export function viewedTokens(tokens: TokenFigures, { tokens: { skipFirst, skipLast } }: Profile): TokenFigures {
  const cut = (values: readonly number[]) => values.slice(skipFirst, values.length - skipLast);
  return {
    logProbability: cut(tokens.logProbability),
    isArgmax: cut(tokens.isArgmax),
    mean: cut(tokens.mean),
    variance: cut(tokens.variance),
  };
}

/** In words, what a log lacks for figures of tokens. */
export const lacksTokens = 'the log has no figures of single tokens, which those of other projects lack';

/** A mean over items of a figure of their tokens; items for which there is none are left out. */
function tokenMetric(
  name: keyof NonNullable<LogItem['given']>,
  title: string,
  of: (isArgmax: readonly number[], profile: Profile) => number | undefined,
): Metric {
  return {
    name,
    title,
    sets,
    estimate(subject: Subject, set) {
      const items = itemsOf(subject, set!);
      if (typeof items === 'string') return items;
      if (items.some(({ answerTokens, given }) => answerTokens === undefined && given?.[name] === undefined)) {
        return lacksTokens;
      }
      const all = items.map(({ answerTokens, given }) =>
        answerTokens
          ? of(viewedTokens(answerTokens, subject.profile).isArgmax, subject.profile)
          : (given![name] ?? undefined),
      );
      const values = all.filter((value) => value !== undefined);
      if (values.length === 0) return 'no answer has a token to look at';
      const left = all.length - values.length;
      return {
        groups: [{ name: left === 0 ? set! : `${set} with tokens`, size: values.length }],
        figure: ([drawn]) => meanOf(values, drawn!),
        ...(left === 0 ? {} : { note: `${left} of ${all.length} answers have no token to look at and are left out` }),
      };
    },
  };
}

export const exactMemorizationFigure = tokenMetric('exactMemorization', 'exact memorization', (isArgmax) =>
  exactMemorization(isArgmax),
);

export const extractionStrengthFigure = tokenMetric('extractionStrength', 'extraction strength', (isArgmax, profile) =>
  extractionStrength(isArgmax, { atLeastOneToken: profile.extractionAtLeastOneToken }),
);
