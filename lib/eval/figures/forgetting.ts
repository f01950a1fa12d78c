/**
 * Forget quality of a log.
 *
 * @module
 */

import { smirnovSteps, smirnovTest, sortedSample } from '../metrics/kolmogorov-smirnov.ts';
import type { LogItem } from '../tofu/log.ts';
import { itemTruthRatio } from './answers.ts';
import {
  besideItself,
  drawn,
  isBesideItself,
  itemsOf,
  type Metric,
  numbersOf,
  type Outcome,
  type Subject,
} from './figure.ts';

export const forgetQualityFigure: Metric = {
  name: 'forgetQuality',
  title: 'forget quality (p)',
  estimate(subject) {
    const own = itemsOf(subject, 'forget');
    if (typeof own === 'string') return own;
    if (subject.profile.forgetQuality === "the model's own retain set") {
      return test(subject, own, itemsOf(subject, 'retain'), 'retain');
    }
    if (!subject.reference) return 'it needs the log of a model that was trained without the forget set (--retain-log)';
    const found = itemsOf(subject, 'forget', subject.reference);
    // The same questions.
    const other = typeof found === 'string' ? found : found.slice(0, own.length);
    const outcome = test(subject, own, other, 'reference forget');
    return typeof outcome !== 'string' && isBesideItself(subject) ? { ...outcome, ...besideItself } : outcome;
  },
};

/** @param name of the group that the other items are drawn as */
function test(
  subject: Subject,
  own: readonly LogItem[],
  other: readonly LogItem[] | string,
  name: 'retain' | 'reference forget',
): Outcome {
  if (typeof other === 'string') return other;
  const ratioOf = (item: LogItem) => itemTruthRatio(item, subject);
  const [ratios, reference] = [numbersOf(own, ratioOf), numbersOf(other, ratioOf)];
  if (typeof ratios === 'string') return ratios;
  if (typeof reference === 'string') return name === 'retain' ? reference : `in the reference log, ${reference}`;
  const [n, m] = [ratios.length, reference.length];
  return {
    groups: [
      { name: 'forget', size: n },
      { name, size: m },
    ],
    // D is what is resampled: p falls with it.
    figure: ([a, b]) =>
      smirnovSteps(sortedSample('forget', drawn(ratios, a!)), sortedSample('reference', drawn(reference, b!))),
    map: (steps) => smirnovTest(steps, n, m).pValue,
    details: (steps) => {
      const { statistic, log10PValue } = smirnovTest(steps, n, m);
      return { statistic, log10PValue };
    },
  };
}
