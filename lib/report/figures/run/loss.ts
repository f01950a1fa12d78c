/**
 * The loss and its terms.
 *
 * @module
 */

import { alongSteps } from './along-steps.ts';

export const loss = alongSteps({
  name: 'loss',
  title: 'Loss',
  text: 'What was minimised, and each term of the method without its coefficient.',
  values: ({ figures, losses }) => ({ 'what was minimised': figures.loss, ...losses }),
  y: { label: 'loss' },
});
