/**
 * How long the gradient is.
 *
 * @module
 */

import { alongSteps } from './along-steps.ts';

export const gradientNorm = alongSteps({
  name: 'gradient-norm',
  title: 'Norm of the gradient',
  text: 'Euclidean norm before it is clipped.',
  values: ({ figures }) => ({ norm: figures.gradientNorm }),
  y: { label: 'norm', zero: true },
});
