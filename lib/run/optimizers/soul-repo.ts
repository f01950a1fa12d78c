import { Sophia, soulRepoDefaults } from '../../optim/sophia.ts';
import { commonDefaults, type RunOptimizer } from '../run-optimizer.ts';
import { sophiaOptions, sophiaSettings } from './sophia.ts';

export const soulRepo: RunOptimizer<'soul-repo'> = {
  name: 'soul-repo',
  text: "Sophia as SOUL's repository runs it: the squared gradient as its estimate, at every step",
  settings: [...sophiaSettings, 'estimateBatchSize'],
  averages: 2,
  adapterFactor: 8,
  defaults: ({ clippedFraction }) => {
    const { betas, rho, estimator, ...given } = soulRepoDefaults;
    const scale = clippedFraction === undefined ? { rho } : {};
    const { batchSize } = estimator.squaredGradient;
    return { ...commonDefaults, ...given, betas: [...betas], estimateBatchSize: batchSize, ...scale };
  },
  make: (parameters, settings) => Sophia.soulRepo(parameters, sophiaOptions(settings)),
};
