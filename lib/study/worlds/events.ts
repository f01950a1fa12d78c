/**
 * What a study tells while it goes on, told apart by `kind`.
 *
 * @module
 */

import type { StepEvent } from '../../unlearn/events.ts';
import type { TrialRecord, TrialTask } from '../trial/record.ts';

export type StudyEvent =
  /** Something begins that may take long; what comes after it is a part of it. */
  | { readonly kind: 'phase'; readonly phase: string }
  /** Within the present phase. */
  | { readonly kind: 'progress'; readonly done: number; readonly total: number }
  /** Of a training that prepares a model, or of a trial. */
  | { readonly kind: 'step'; readonly step: StepEvent }
  | { readonly kind: 'begin'; readonly task: TrialTask }
  /** A trial is done and stored. */
  | { readonly kind: 'trial'; readonly record: TrialRecord }
  /** What the user should know. */
  | { readonly kind: 'note'; readonly text: string };

/** What takes them. */
export type StudyListener = (event: StudyEvent) => void;
