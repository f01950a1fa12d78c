/**
 * What a journal says: in errors, notes and the record.
 *
 * @module
 */

import { SoulError } from '../../core/errors.ts';
import type { StepEvent } from '../../unlearn/events.ts';
import type { CompleteRunSettings } from '../settings.ts';
import type { Look, RunState } from './run-state.ts';

/** Why and where a run ended before its last step. */
export interface EarlyEnd {
  readonly reason: 'stopped' | 'until' | 'finished';
  /** The last step, where one was taken. */
  readonly event: StepEvent | undefined;
  /** Of a target that was reached. */
  readonly at?: Look;
}

/** For the record: how a run was gone on with and ended, and what it leaves of its checkpoints. */
export function endingRecord(
  settings: CompleteRunSettings,
  { resumed, best, descents }: Pick<RunState, 'resumed' | 'best' | 'descents'>,
  run: { readonly end: EarlyEnd | undefined; readonly steps: number; readonly hasBestWeights: boolean },
): Record<string, unknown> {
  const { reason, event, at } = run.end ?? {};
  const place = event ? { descent: descents, step: event.step, steps: event.steps } : { step: run.steps };
  const nearest = best && reason !== 'until' ? { nearest: { step: best.step, figures: best.figures } } : {};
  const weights = run.hasBestWeights ? 'of the nearest look' : 'the last';
  return {
    ...(resumed > 0 ? { resumed } : {}),
    ...(reason === 'stopped' || reason === 'finished' ? { stopped: place } : {}),
    ...(settings.until === undefined
      ? {}
      : {
          until: {
            ...{ conditions: settings.until, reached: reason === 'until' },
            ...(at ? { at } : {}),
            ...{ ...nearest, weights },
          },
        }),
  };
}

/** An error of a run that has a checkpoint, with what can be done about it. */
export function withCheckpointAdvice(
  error: SoulError,
  run: {
    readonly checkpoint: string;
    /** Steps that went into it. Default 0 */
    readonly steps?: number;
    readonly learningRate?: number | undefined;
    /** Whether its model can be published. Default false */
    readonly canFinish?: boolean;
  },
): SoulError {
  const { code, message, details } = error;
  const { checkpoint, steps = 0, learningRate: rate, canFinish = false } = run;
  const publish = canFinish ? ', or publish the model of that checkpoint (--resume --finish)' : '';
  const advice = {
    SOUL_CANCELLED: `go on with --resume: the checkpoint ${checkpoint} is kept`,
    SOUL_NON_FINITE:
      `the last checkpoint before that, after ${stepsText(steps)}, is kept in ${checkpoint}. --resume would come to the same end: ` +
      `begin anew with a lower rate (--overwrite --learning-rate ${rate === undefined ? '...' : rate / 2})${publish}`,
  }[code as string];
  const other = `the checkpoint after ${stepsText(steps)}, ${checkpoint}, is kept: once that is mended, go on with --resume`;
  return new SoulError(code, `${message}; ${advice ?? other}`, { ...details, checkpoint }, { cause: error });
}

export function stepsText(steps: number): string {
  return `${steps} ${steps === 1 ? 'step' : 'steps'}`;
}
