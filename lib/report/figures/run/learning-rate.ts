/**
 * The learning rate.
 *
 * @module
 */

import { alongSteps } from './along-steps.ts';

export const learningRate = alongSteps({
  name: 'learning-rate',
  title: 'Learning rate',
  text: 'As each step took it, warm-up and decay in it.',
  values: ({ figures }) => ({ 'learning rate': figures.learningRate }),
  y: {
    label: 'learning rate',
    zero: true,
    tickFormat: (value: number) => (value === 0 ? '0' : value.toExponential(0)),
  },
});
