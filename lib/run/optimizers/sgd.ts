import { SGD, sgdDefaults } from '../../optim/sgd.ts';
import { commonDefaults, publishedSize, type RunOptimizer } from '../run-optimizer.ts';

const { momentum: usual } = sgdDefaults;

export const sgd: RunOptimizer<'sgd'> = {
  name: 'sgd',
  text: 'gradient descent with momentum',
  settings: ['momentum'],
  averages: 1,
  adapterFactor: 2,
  defaults: () => ({ ...commonDefaults, momentum: usual }),
  // Its step is as long as the gradient, not as the weights are many: of a gradient that is clipped to the norm 1 and stays the same
  // at most rate / (1 - momentum). AdamW's has the length rate * sqrt(weights), whatever the size, since its rates shrink with the
  // root of it. Steps of the same length take this rate. Where gradients are shorter than 1, as those of answers that a model is sure
  // of are at first, steps are shorter, and a method names a rate of its own. uce, wga, pdu, mollm, task-arithmetic, spunge and fo-zo
  // keep their promises at none by a margin.
  rateFrom: ({ adamw }) => (1 - usual) * adamw * Math.sqrt(publishedSize),
  rateOfRun: (rate, { momentum = usual }) => (rate * (1 - momentum)) / (1 - usual),
  make: (parameters, settings) => new SGD(parameters, settings),
};
