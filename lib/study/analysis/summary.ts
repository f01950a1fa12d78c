/**
 * What a study's trials come to.
 *
 * @module
 */

import type { Study } from '../definition/study.ts';

/** A mean over draws with its interval. */
export interface Estimate {
  readonly mean: number;
  /** 95 % interval by Student's t over the draws; absent with fewer than two. */
  readonly low?: number;
  readonly high?: number;
  readonly draws: number;
}

/** A figure of a cell; a new one is a file in `figures/`, and a line in its list. */
export interface StudyFigure {
  readonly name: string;
  /** Head of a column, a few words. */
  readonly label: string;
  /** What it is, in a sentence. */
  readonly text: string;
  readonly better: 'lower' | 'higher' | 'neither';
  readonly unit: 'probability' | 'share' | 'seconds' | 'bytes' | 'number';
}

/** One optimizer with one method on one model and split. */
export interface CellSummary {
  readonly model: string;
  readonly split: string;
  readonly method: string;
  readonly optimizer: string;
  /** Draws of which every trial of every optimizer of the cell's row is done: the others are left out, so that all are equal. */
  readonly draws: readonly number[];
  readonly trials: number;
  readonly diverged: number;
  /** Of each draw the trial that the validation half chose: by the score at the end, and at equal forgetting. */
  readonly chosen: readonly { readonly draw: number; readonly end: string; readonly equal?: string }[];
  /** By figure; absent where no draw has it. */
  readonly figures: Readonly<Record<string, Estimate>>;
  /** Expected score on the test half of the best of n trials, for n = 1 to all. */
  readonly bestOf: readonly Estimate[];
}

/** One optimizer less another, paired by draw. */
export interface Comparison {
  readonly model: string;
  readonly split: string;
  readonly method: string;
  readonly figure: string;
  readonly optimizer: string;
  readonly other: string;
  readonly difference: Estimate;
}

export interface StudySummary {
  readonly study: Study;
  readonly done: number;
  readonly total: number;
  readonly figures: readonly StudyFigure[];
  /** Figures of the model before anything is forgotten, and of the retrained one. */
  readonly references: readonly {
    readonly model: string;
    readonly split: string;
    readonly name: 'original' | 'retrained';
    readonly figures: Readonly<Record<string, number>>;
  }[];
  readonly cells: readonly CellSummary[];
  readonly comparisons: readonly Comparison[];
}
