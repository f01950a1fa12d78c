/**
 * What the model knew before and no step uses.
 *
 * @module
 */

import type { TrialRecord } from '../../trial/record.ts';
import { meanOf } from '../student-t.ts';
import { type FigureDefinition, ofEnd } from './figure.ts';

export const utilityFigure: FigureDefinition = {
  name: 'utility',
  label: 'utility',
  text: "Probability of the answers of sets that no step uses, at the end as a share of the start's; mean over the sets of whose answers the start gives at least 0.01.",
  better: 'higher',
  unit: 'share',
  of: ofEnd(({ utility = {} }) => {
    const ratios = knownSets(utility).map(({ before, after }) => after / before);
    return ratios.length > 0 ? meanOf(ratios) : undefined;
  }),
  ofReference: ({ name, record: { utility = {} } }) =>
    name === 'original' && knownSets(utility).length > 0 ? 1 : undefined,
};

/** A ratio of less is one of noise. */
const leastKnown = 0.01;

/** Those that the start knows something of. */
function knownSets(utility: NonNullable<TrialRecord['utility']>) {
  return Object.values(utility).filter(({ before }) => before >= leastKnown);
}
