/**
 * What a run of unlearning says while it goes on.
 *
 * @module
 */

import type { StepStatistics } from '../optim/optimizer.ts';
import type { CurvatureEstimate } from './curvature.ts';

/** What one step did. */
export interface StepEvent {
  readonly kind: 'step';
  /** The name of the method that is descended on. */
  readonly method: string;
  /** Counted from 1. */
  readonly step: number;
  readonly steps: number;
  /** Epochs done after this step, a fraction. */
  readonly epoch: number;
  readonly epochs: number;
  /** Losses of the terms that took part by their names, without coefficients: of the method's all, unless they take turns. */
  readonly losses: Readonly<Record<string, number>>;
  /** The loss that was minimised: the terms with their own coefficients, whatever a gradient rule made of them. */
  readonly loss: number;
  /** Where coefficients are not those that the method was given: what each term's gradient was multiplied by. */
  readonly coefficients?: Readonly<Record<string, number>>;
  readonly learningRate: number;
  readonly statistics: StepStatistics;
  /** The curvature estimate made before this step. */
  readonly curvature?: CurvatureEstimate;
  /** Label tokens pulled back in this step, the estimate's not counted. */
  readonly tokens: number;
  /** Duration of the step, the estimate included. */
  readonly seconds: number;
}

/** Everything that a run says, told apart by `kind`. */
export type RunEvent =
  | StepEvent
  /** A part of an algorithm begins. */
  | { readonly kind: 'stage'; readonly name: string }
  /** Progress of what has no steps: measuring, reference values, the gradient of a whole set, a walk over all weights. */
  | { readonly kind: 'progress'; readonly what: string; readonly done: number; readonly total: number }
  /** Something that the user should know. */
  | { readonly kind: 'note'; readonly text: string }
  /** Of whole runs that are evaluated on the way: figures of each set, by its name, before, behind a step of the run, and after. */
  | {
      readonly kind: 'evaluation';
      readonly step: number;
      readonly moment: 'before' | 'during' | 'after';
      readonly seconds: number;
      readonly sets: Readonly<Record<string, Readonly<Record<string, number>>>>;
    }
  /** Of whole runs: another part of the run begins. */
  | { readonly kind: 'phase'; readonly phase: RunPhase };

/** The parts of a whole run. */
export type RunPhase =
  | 'reading the data'
  | 'hashing the model'
  | 'loading the model'
  | 'generating other answers'
  | 'measuring before'
  | 'training'
  | 'writing the model'
  | 'summing what enters the layers'
  | 'measuring after';

/** What a descent came to. */
export interface DescentSummary {
  readonly steps: number;
  readonly skippedSteps: number;
  readonly seconds: number;
  /** Share of `seconds` spent on curvature estimates. */
  readonly curvatureShare: number;
  readonly tokens: number;
  readonly last: StepEvent;
}
