/**
 * How often a generated answer says what the right one says, as sentence embeddings see it.
 *
 * @module
 */

import { isNearest } from '../metrics/nearest-answer.ts';
import { itemMetric } from './figure.ts';

/** SOUL's accuracy on the sets whose answers are put in other words, right ones and wrong ones. */
export const accuracyFigure = itemMetric({
  name: 'accuracy',
  title: 'accuracy',
  sets: ['forget', 'retain'],
  of: ({ similarities }) =>
    similarities
      ? Number(isNearest(similarities.paraphrased, similarities.perturbed))
      : 'it needs sentence embeddings (--embedder)',
});
