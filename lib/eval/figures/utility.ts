/**
 * Model utility of a log.
 *
 * @module
 */

import { modelUtility } from '../metrics/model-utility.ts';
import { probabilityFigure, rougeLFigure, truthRatioFigure } from './answers.ts';
import { type Metric, meanOf } from './figure.ts';

const sets = ['retain', 'realAuthors', 'worldFacts'] as const;

export const modelUtilityFigure: Metric = {
  name: 'modelUtility',
  title: 'model utility',
  estimate(subject) {
    const parts: { values: readonly number[]; group: number }[] = [];
    for (const [group, set] of sets.entries()) {
      for (const metric of [probabilityFigure, rougeLFigure, truthRatioFigure]) {
        const values = metric.values(subject, set);
        if (typeof values === 'string') return `it needs ${metric.title} of ${set}: ${values}`;
        parts.push({ values, group });
      }
    }
    return {
      groups: sets.map((name, i) => ({ name, size: parts[3 * i]!.values.length })),
      figure: (drawn) => modelUtility(parts.map(({ values, group }) => meanOf(values, drawn[group]!))),
    };
  },
};
