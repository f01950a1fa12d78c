/**
 * What a run knows beside its algorithm: kept with every checkpoint.
 *
 * @module
 */

import type { Json } from '../../core/json.ts';
import { fromExactJson, toExactJson } from '../../unlearn/exact-json.ts';
import type { EvaluationPoint } from '../evaluations/evaluation.ts';
import type { MadeAlternatives } from '../made-alternatives.ts';
import type { MeasuredSets } from '../measure.ts';
import type { RunResult } from '../record.ts';
import type { SummaryState } from '../run-summary.ts';
import type { RunIdentity } from './run-identity.ts';

/** Figures at a step that a run looked at. */
export interface Look {
  /** Of the run, all descents counted. */
  readonly step: number;
  readonly figures: Partial<MeasuredSets>;
}

export interface RunState {
  readonly identity: RunIdentity;
  /** As run.json has them, but for defaults that follow from the model. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Those, for a check that they are the same still. */
  readonly ofModel?: { readonly epochs?: number | undefined; readonly learningRate?: number | undefined };
  /** ISO 8601 */
  readonly startedAt: string;
  /** How often it was gone on with. */
  readonly resumed: number;
  /** Descents that were begun. */
  readonly descents: number;
  readonly summary?: SummaryState;
  /** Bytes of each log. */
  readonly logs: Readonly<Record<string, number>>;
  /** Figures before the first step, as soon as they are there; absent in them where none are wanted. */
  readonly before?: { readonly figures?: MeasuredSets | undefined };
  /** Of a run that is evaluated on the way, what was found so far. */
  readonly evaluations?: readonly EvaluationPoint[];
  /** How other answers were made, as soon as they are there. */
  readonly generated?: MadeAlternatives['generated'];
  /** The look that came nearest to what the run is to come to. */
  readonly best?: Look & { readonly lacking: number; readonly checkpoint: string };
  /** The name under which the memory has the model's weights. */
  readonly weights?: string;
  /** Of a run that is done but for being put in its place. */
  readonly result?: RunResult;
}

export function runStateToJson(state: RunState): Json {
  return toExactJson('run', state);
}

export function runStateFromJson(json: Json): RunState {
  return fromExactJson(json) as RunState;
}
