/**
 * Optimizers by name, with the defaults that runs of unlearning take.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { FlatBuffer } from '../core/flat-buffer.ts';
import { withoutUndefined } from '../core/optional.ts';
import { ParameterLayout } from '../model/parameter-layout.ts';
import { AdamW, adamwDefaults } from '../optim/adamw.ts';
import type { Optimizer, OptimizerParameters, SecondOrderOptimizer } from '../optim/optimizer.ts';
import { Sophia, sophiaDefaults, soulRepoDefaults } from '../optim/sophia.ts';

/** Each optimizer's name on the command line, with a line that says what it is. */
export const optimizerNames = {
  adamw: 'AdamW, first order',
  sophia: 'Sophia with the Gauss-Newton-Bartlett estimate, second order',
  'soul-repo': "Sophia as SOUL's repository runs it: the squared gradient as its estimate, at every step",
} as const;

export type OptimizerName = keyof typeof optimizerNames;

/** Settings of an optimizer in a run; all are written to run.json. */
export interface OptimizerSettings {
  /** Peak learning rate. Default 1e-5; a whole run's is {@link defaultLearningRate}. */
  learningRate?: number;
  /** Decoupled weight decay of embeddings and matrices. Default 0.01, for soul-repo 0.1; norm weights and biases take none. */
  weightDecay?: number;
  /** Decay rates of both moving averages. Default 0.9, 0.999 (adamw), 0.9, 0.95 (soul-repo), 0.965, 0.99 (sophia). */
  betas?: [number, number];
  /** Added to the denominator. Default the optimizer's own. */
  epsilon?: number;
  /** Bound of the gradient's global norm. Default 1. */
  clipNorm?: number;
  /** Sophia's rho, by hand. Not with `clippedFraction`. */
  rho?: number;
  /** Share of weights that Sophia clips at its first step, from which rho follows. Default 0.1. */
  clippedFraction?: number;
  /** Sophia's denominator: rho * h + epsilon, or the larger of the two. Default 'sum'. */
  denominator?: 'sum' | 'max';
}

const sophiaOnly = ['rho', 'clippedFraction', 'denominator'] as const;

/**
 * The settings with every default filled in.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for a setting of another optimizer, or rho given twice
 */
export function completeOptimizerSettings(name: OptimizerName, given: OptimizerSettings): OptimizerSettings {
  const settings: OptimizerSettings = withoutUndefined(given);
  const foreign = name === 'adamw' ? sophiaOnly.filter((key) => settings[key] !== undefined) : [];
  if (foreign.length > 0) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${foreign.join(' and ')} belong to Sophia, not to ${name}`, {
      argument: foreign[0],
    });
  }
  if (settings.rho !== undefined && settings.clippedFraction !== undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', 'give rho or clippedFraction, not both', { argument: 'rho' });
  }
  return { ...runDefaults(name, settings), ...settings };
}

/** The optimizers' own defaults, but for what suits runs of unlearning better: small steps, little decay, clipped gradients. */
function runDefaults(name: OptimizerName, { rho, clippedFraction }: OptimizerSettings): OptimizerSettings {
  const common = { learningRate: 1e-5, weightDecay: 0.01, clipNorm: 1 };
  if (name === 'adamw') {
    const { betas, epsilon } = adamwDefaults;
    return { ...common, betas: [...betas], epsilon };
  }
  if (name === 'sophia') {
    const { betas, epsilon, denominator } = sophiaDefaults;
    return {
      ...common,
      betas: [...betas],
      epsilon,
      denominator,
      ...(rho === undefined ? { clippedFraction: 0.1 } : {}),
    };
  }
  const { learningRate, weightDecay, betas, rho: ownRho, epsilon, denominator, clipNorm } = soulRepoDefaults;
  const scale = clippedFraction === undefined ? { rho: ownRho } : {};
  return { learningRate, weightDecay, betas: [...betas], epsilon, denominator, clipNorm, ...scale };
}

/** Makes an optimizer over a model's parameters, from settings with every default filled in. */
export function createOptimizer(
  name: OptimizerName,
  parameters: OptimizerParameters & { layout: ParameterLayout },
  settings: OptimizerSettings,
  more: { frozen?: FlatBuffer<'u8'> } = {},
): Optimizer | SecondOrderOptimizer {
  const { rho, clippedFraction, denominator, ...given } = settings;
  const options = { ...given, ...more };
  if (name === 'adamw') return new AdamW(parameters, options);
  const sophia = {
    ...options,
    rho: clippedFraction === undefined ? rho! : { clippedFraction },
    ...(denominator ? { denominator } : {}),
  };
  return name === 'sophia' ? new Sophia(parameters, sophia) : Sophia.soulRepo(parameters, sophia);
}

/**
 * Lets the optimizer itself check its settings, over no parameters.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function checkOptimizer(name: OptimizerName, settings: OptimizerSettings): void {
  const parameters = { values: FlatBuffer.alloc(0), gradients: FlatBuffer.alloc(0), layout: ParameterLayout.of([]) };
  createOptimizer(name, parameters, settings);
}
