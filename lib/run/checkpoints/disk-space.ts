/**
 * The room that a run takes on the disk beside its model.
 *
 * @module
 */

import type { FlatBuffer } from '../../core/flat-buffer.ts';
import { gibibytes } from '../../core/out-of-memory.ts';
import { optimizerStateBytes } from '../../optim/state-bytes.ts';
import type { MemoryPlan } from '../memory-plan.ts';
import { averagesOf } from '../optimizer-choice.ts';
import type { CompleteRunSettings } from '../settings.ts';

/** Parts of a memory plan that checkpoints hold. */
const kept: readonly string[] = ['weights', 'optimizer', 'copies', 'masks'];

/** Bytes of a checkpoint at most, but for running means of gradients and reference values. */
export function checkpointBytes(
  { optimizer, optimizerSettings: { precision } }: Pick<CompleteRunSettings, 'optimizer' | 'optimizerSettings'>,
  values: Pick<FlatBuffer, 'length' | 'dtype' | 'byteLength'>,
  planned: MemoryPlan | undefined,
): number {
  if (planned) return plannedCheckpointBytes(planned);
  const dtype = values.dtype === 'bf16' ? 'bf16' : 'f32';
  return values.byteLength + optimizerStateBytes(values.length, dtype, averagesOf(optimizer), precision);
}

/** Those of a run that is planned. */
export function plannedCheckpointBytes({ parts }: Pick<MemoryPlan, 'parts'>): number {
  return parts.reduce((sum, { name, bytes }) => sum + (kept.includes(name) ? bytes : 0), 0);
}

/** Checkpoints that may lie there at a time: those that are kept, the best of a run with a target, and one that is being written. */
export function mostCheckpoints({
  keep,
  checkpointMinutes,
  checkpointEvery,
  until,
}: {
  readonly keep: number;
  readonly checkpointMinutes: number;
  readonly checkpointEvery?: number | undefined;
  readonly until?: string | undefined;
}): number {
  if (until !== undefined) return keep + 2;
  return checkpointMinutes === 0 && checkpointEvery === undefined ? 0 : keep + 1;
}

/** What to do about a disk that may become full; undefined where there is room, as far as is known. */
export function spaceNote(
  settings: CompleteRunSettings,
  { free, model, checkpoint }: { readonly free: number; readonly model: number; readonly checkpoint: number },
): string | undefined {
  const most = mostCheckpoints(settings);
  const isByTime = settings.checkpointEvery === undefined && settings.until === undefined;
  if (free >= model + most * checkpoint) return undefined;
  return (
    `${gibibytes(free)} are free on the disk; the model takes ${gibibytes(model)}, and ${most} checkpoints of about ${gibibytes(checkpoint)} ` +
    `may lie there at a time: free some, keep fewer (--keep 1)${isByTime ? ', or write none (--checkpoint-minutes 0)' : ''}`
  );
}
