/**
 * How long a step takes.
 *
 * @module
 */

import { alongSteps } from './along-steps.ts';

export const speed = alongSteps({
  name: 'speed',
  title: 'Time of a step',
  text: 'Seconds of a whole step, and of the curvature estimate in it where there was one.',
  values: ({ figures }) => ({ 'whole step': figures.seconds, estimate: figures.estimateSeconds }),
  y: { label: 'seconds', zero: true },
});
