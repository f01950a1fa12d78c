/**
 * A study: models, splits of their data, methods and optimizers, each cell with a search of the same number of trials over the same draws.
 *
 * @module
 */

import type { OptimizerName, OptimizerSettings } from '../../run/optimizer-choice.ts';
import type { CurvatureOptions, HessianData } from '../../unlearn/curvature.ts';
import type { AlgorithmName } from '../../unlearn/registry.ts';

/** Where a study's models come from: one that knows the data, or one that is first trained on it. */
export type StudyModel = { readonly name: string } & (
  | {
      /** Folder of a model that knows both sets. */
      readonly model: string;
      /** Folder of one that was trained on the retain set alone; absent: nothing is measured at equal forgetting. */
      readonly retrained?: string;
    }
  | {
      /** Folder of a model that is fine-tuned on both sets, and another on the retain set alone. */
      readonly base: string;
      readonly training?: StudyTraining;
    }
  /** The demo's model, trained from random weights on the demo's invented authors; with a split that is `made` alone. */
  | { readonly made: 'demo' }
);

/** How a base is fine-tuned. */
export interface StudyTraining {
  readonly epochs: number;
  readonly batchSize: number;
  /** Absent: the default of `soul train`. */
  readonly learningRate?: number;
}

/** What is to be forgotten, what is to be kept, and what else is measured. */
export type StudySplit = { readonly name: string } & (
  | {
      readonly forget: readonly string[];
      readonly forgetFilter?: readonly string[];
      readonly retain: readonly string[];
      readonly retainFilter?: readonly string[];
      /** Sets that no step uses, by name, whose answers' probability is measured at the end: what the model knew before. */
      readonly utility?: Readonly<Record<string, readonly string[]>>;
      /** Folder of TOFU's evaluation sets, for its figures at the end. */
      readonly tofu?: string;
      /** Name of the forget set there, as forget10. */
      readonly tofuSplit?: string;
    }
  | { readonly made: 'demo' }
);

export interface StudyMethod {
  readonly name: AlgorithmName;
  /** In full, with the defaults of runs. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** An optimizer as a study knows it: what runs take, under a name of its own. */
export interface StudyOptimizer {
  readonly name: string;
  /** What it is, in a line. */
  readonly text: string;
  readonly optimizer: OptimizerName;
  readonly settings: OptimizerSettings;
  readonly curvature: CurvatureOptions;
  readonly hessianData?: HessianData;
  /** An algorithm that the method runs inside, as mezo. */
  readonly inside?: AlgorithmName;
  /** The optimizer whose default learning rate the search is around, where steps are as long as that one's; absent: its own. */
  readonly ratesOf?: OptimizerName;
  /** What is searched beside learning rate and retain coefficient. */
  readonly searches: readonly 'clippedFraction'[];
}

/** A range on a logarithmic scale, both ends above 0. */
export type LogRange = readonly [low: number, high: number];

export interface StudySearch {
  /** Factors on the optimizer's default learning rate for the method and the model's size. */
  readonly learningRate: LogRange;
  /** Factors on the method's default retain coefficient; methods without one don't search it. */
  readonly retainCoefficient: LogRange;
  /** Shares of weights, of optimizers that search it. */
  readonly clippedFraction: LogRange;
}

export interface StudyEvaluation {
  /** Points of the path at which both sets are measured, the end among them; the start is measured, too. */
  readonly points: number;
  /** Examples of each set that are measured, spread evenly over it; half of them choose, the others are reported. */
  readonly forget: number;
  readonly retain: number;
  readonly utility: number;
  /** Items of each of TOFU's sets at the end of a trial; 0: not asked. */
  readonly tofu: number;
  /** Attacks at the end of a trial, of `soul attack`: relearn, nf4. */
  readonly attacks: readonly ('relearn' | 'nf4')[];
}

/** A study with every default filled in. */
export interface Study {
  readonly name: string;
  readonly title: string;
  readonly seed: bigint;
  readonly models: readonly StudyModel[];
  readonly splits: readonly StudySplit[];
  readonly methods: readonly StudyMethod[];
  readonly optimizers: readonly StudyOptimizer[];
  /** Settings that every cell tries, for each draw. */
  readonly trials: number;
  /** Draws of the batches, the same for every optimizer. */
  readonly draws: number;
  readonly search: StudySearch;
  readonly training: {
    readonly epochs?: number;
    readonly steps?: number;
    readonly batchSize: number;
    readonly microBatchSize?: number;
    readonly maximumLength: number;
  };
  readonly evaluation: StudyEvaluation;
  readonly dtype: 'f32' | 'bf16';
  /** Of each trial, on which its last digits depend. */
  readonly threads: number;
  /** Whether trials keep a few answers of data that are not made up, too. Default false. */
  readonly texts?: boolean;
}
