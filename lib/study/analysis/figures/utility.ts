/**
 * What the model knew before and no step uses.
 *
 * @module
 */

import { meanOf } from '../student-t.ts';
import { type FigureDefinition, ofEnd } from './figure.ts';

export const utilityFigure: FigureDefinition = {
  name: 'utility',
  label: 'utility',
  text: "Probability of the answers of sets that no step uses, at the end as a share of the start's; mean over the sets.",
  better: 'higher',
  unit: 'share',
  of: ofEnd(({ utility = {} }) => {
    const ratios = Object.values(utility)
      .filter(({ before }) => before > 0)
      .map(({ before, after }) => after / before);
    return ratios.length > 0 ? meanOf(ratios) : undefined;
  }),
  ofReference: ({ name }) => (name === 'original' ? 1 : undefined),
};
