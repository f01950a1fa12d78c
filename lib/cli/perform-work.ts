/**
 * Long work of a command: what the user can do about it, and what is left of it at the end.
 *
 * @module
 */

import { type Releasable, thenRelease } from '../core/release.ts';
import { cancelOnSignals } from './interrupt.ts';
import type { Progress } from './progress.ts';

/**
 * Does work that signals can end, as {@link cancelOnSignals}, told in the form of its progress; what it held is released and its
 * progress ends, whatever becomes of it.
 *
 * @param held as of {@link thenRelease}
 */
export async function performWork<Result>(
  progress: Progress,
  work: (signal: AbortSignal) => Promise<Result>,
  held: () => readonly (Releasable | undefined)[] = () => [],
): Promise<Result> {
  try {
    return await thenRelease(() => cancelOnSignals(work, progress.tell && progress.note), held);
  } finally {
    progress.end();
  }
}
