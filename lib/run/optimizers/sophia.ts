import { SoulError } from '../../core/errors.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { Sophia, type SophiaOptions, sophiaDefaults } from '../../optim/sophia.ts';
import type { OwnSetting } from '../optimizer-settings.ts';
import { commonDefaults, type OwnOptions, type RunOptimizer } from '../run-optimizer.ts';

/** Options of Sophia from settings, where rho is one number or a share. */
export function sophiaOptions(settings: OwnOptions): SophiaOptions {
  const { rho, clippedFraction, followClippedFraction, momentumUpdates, estimateBatchSize, ...given } = settings;
  if (clippedFraction === undefined && followClippedFraction) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      'followClippedFraction is of a rho that is chosen by clippedFraction, not of one that is given',
      { argument: 'followClippedFraction' },
    );
  }
  return {
    ...given,
    rho:
      clippedFraction === undefined
        ? rho!
        : { clippedFraction, ...withoutUndefined({ follow: followClippedFraction }) },
    ...withoutUndefined({ momentumUpdates: momentumUpdates as 1 | 2 | undefined }),
    ...(estimateBatchSize === undefined ? {} : { estimator: { squaredGradient: { batchSize: estimateBatchSize } } }),
  };
}

/** Settings that Sophia has whatever it estimates from. */
export const sophiaSettings = [
  'betas',
  'epsilon',
  'clippedFraction',
  'rho',
  'denominator',
  'momentumBiasCorrection',
  'momentumUpdates',
] as const satisfies readonly OwnSetting[];

export const sophia: RunOptimizer<'sophia'> = {
  name: 'sophia',
  text: 'Sophia with the Gauss-Newton-Bartlett estimate, second order',
  settings: [...sophiaSettings, 'followClippedFraction'],
  averages: 2,
  adapterFactor: 3,
  defaults: ({ rho }) => {
    const { betas, epsilon, denominator } = sophiaDefaults;
    const scale =
      rho === undefined
        ? { clippedFraction: 0.1, followClippedFraction: false, momentumBiasCorrection: true }
        : { momentumBiasCorrection: false };
    return { ...commonDefaults, betas: [...betas], epsilon, denominator, momentumUpdates: 1, ...scale };
  },
  // B begins at 0, far from where it goes, and what is clipped at first soon is no more. At a rho that is kept, or one that clips a tenth,
  // GradDiff leaves 0.88 of the retain set of the demo's model, with these 0.89 to 0.93, by the seed.
  adapterDefaults: ({ clippedFraction }) =>
    clippedFraction === undefined ? {} : { clippedFraction: 0.3, followClippedFraction: true },
  make: (parameters, settings) => new Sophia(parameters, sophiaOptions(settings)),
};
