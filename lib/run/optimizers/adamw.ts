import { AdamW, adamwDefaults } from '../../optim/adamw.ts';
import { commonDefaults, type RunOptimizer } from '../run-optimizer.ts';

export const adamw: RunOptimizer<'adamw'> = {
  name: 'adamw',
  text: 'AdamW, first order',
  settings: ['betas', 'epsilon'],
  averages: 2,
  adapterFactor: 8,
  defaults: () => ({ ...commonDefaults, betas: [...adamwDefaults.betas], epsilon: adamwDefaults.epsilon }),
  make: (parameters, settings) => new AdamW(parameters, settings),
};
