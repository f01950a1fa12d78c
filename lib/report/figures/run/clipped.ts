/**
 * Shares of the weights that a step clips and changes.
 *
 * @module
 */

import { alongSteps } from './along-steps.ts';

export const clipped = alongSteps({
  name: 'clipped',
  title: 'Clipped and changed weights',
  text: 'Share of the weights whose step was cut to its longest, which a second-order optimizer alone has, and of those whose value the step changed.',
  values: ({ figures }) => ({ clipped: figures.clippedFraction, changed: figures.changedFraction }),
  y: { label: 'share of weights', domain: [0, 1] },
});
