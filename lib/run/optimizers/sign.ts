import { SignDescent, signDescentDefaults } from '../../optim/sign-descent.ts';
import { commonDefaults, type RunOptimizer } from '../run-optimizer.ts';

export const sign: RunOptimizer<'sign'> = {
  name: 'sign',
  text: 'sign descent with momentum: every weight moves by the learning rate',
  settings: ['momentum'],
  averages: 1,
  adapterFactor: 8,
  defaults: () => ({ ...commonDefaults, momentum: signDescentDefaults.momentum }),
  // That one clips nearly everywhere, and a clipped step is the sign of the momentum.
  rateFrom: (rates) => rates['soul-repo'],
  make: (parameters, settings) => new SignDescent(parameters, settings),
};
