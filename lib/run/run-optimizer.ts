/**
 * What a run knows of an optimizer: its settings with their defaults, its learning rates, and how it is made.
 *
 * @module
 */

import type { Optimizer, OptimizerOptions, OptimizerParameters, SecondOrderOptimizer } from '../optim/optimizer.ts';
import type { LearningRates } from '../unlearn/algorithm.ts';
import type { OptimizerSettings, OwnSetting } from './optimizer-settings.ts';

/** Settings of a run, with what it gives to all optimizers in place of those that it keeps by kinds of weights. */
export type OwnOptions = Omit<OptimizerSettings, 'learningRateScales' | 'weightDecays'> &
  Pick<OptimizerOptions, 'frozen' | 'seed' | 'parameterGroups'>;

/** An optimizer that runs can take. */
export interface RunOptimizer<Name extends string = string> {
  /** On the command line, and in records. */
  readonly name: Name;
  /** What it is, in a line. */
  readonly text: string;
  /** The settings that it has beside those of all. */
  readonly settings: readonly OwnSetting[];
  /** Moving averages that it keeps, each of the weights' length. */
  readonly averages: number;
  /** What a run takes where nothing is said. */
  defaults(given: OptimizerSettings): OptimizerSettings;
  /** The peak learning rate for 7 billion weights of an algorithm that names none for it, from those that every one names. */
  rateFrom?(rates: LearningRates): number;
  /** What a run takes of a rate for 7 billion weights; absent: the rate times the square root of 7 billion over the weights. */
  rateOfRun?(rate: number, settings: OptimizerSettings): number;
  /**
   * What a run multiplies the rate by for adapters: each of their weights moves an output by less than a whole row does, whatever the
   * rank, since their product is divided by it.
   */
  readonly adapterFactor: number;
  /** What a run with adapters takes in place of {@link defaults}, where nothing is said. */
  adapterDefaults?(settings: OptimizerSettings): OptimizerSettings;
  /** Over a model's parameters, from settings with every default filled in. */
  make(parameters: OptimizerParameters, settings: OwnOptions): Optimizer | SecondOrderOptimizer;
}

/** What suits runs of unlearning better than the optimizers' own defaults: small steps, little decay, clipped gradients. */
export const commonDefaults = {
  learningRate: 1e-5,
  weightDecay: 0.01,
  clipNorm: 1,
  nonFinite: 'skip',
} as const satisfies OptimizerSettings;

/** The size at which published learning rates stand: 7 billion weights. */
export const publishedSize = 7e9;
