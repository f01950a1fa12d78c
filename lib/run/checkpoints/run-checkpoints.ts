/**
 * When a run writes checkpoints, which of them stay, and what becomes of them in the end.
 *
 * @module
 */

import { basename, join } from 'node:path';
import { SoulError } from '../../core/errors.ts';
import type { FlatBuffer } from '../../core/flat-buffer.ts';
import { countNonFinite } from '../../core/vector-operations.ts';
import type { Progress, RestPlace } from '../../unlearn/journal.ts';
import type { OutFolder } from '../out-folder.ts';
import { checkpointsName } from '../run-files.ts';
import type { CompleteRunSettings } from '../settings.ts';
import type { Traces } from '../traces.ts';
import type { StoredCheckpoint } from './checkpoint-folder.ts';
import type { CheckpointStore } from './checkpoint-store.ts';
import { stepsText } from './journal-texts.ts';
import { type RunState, runStateToJson } from './run-state.ts';

export interface RunCheckpointsParts {
  readonly out: OutFolder;
  readonly settings: CompleteRunSettings;
  readonly onNote: (text: string) => void;
}

export class RunCheckpoints {
  readonly store: CheckpointStore;
  readonly #parts: RunCheckpointsParts;
  /** Whether they stay when the run is done; of one that was done, as its record has it. */
  readonly #stay: boolean;
  #hasProgress: boolean;
  #writtenAt = performance.now();
  #steps: number;

  /** @param stored the one that the run goes on from, and what it says */
  constructor(
    parts: RunCheckpointsParts,
    store: CheckpointStore,
    stored?: StoredCheckpoint & { readonly state: RunState },
  ) {
    this.#parts = parts;
    this.store = store;
    const { result, settings, summary } = stored?.state ?? {};
    this.#stay = result ? settings?.keepCheckpoints === true : parts.settings.keepCheckpoints;
    this.#hasProgress = stored?.kept !== undefined;
    this.#steps = summary?.steps ?? 0;
  }

  /** Whether there is one that steps, or stages, went into. */
  get hasProgress(): boolean {
    return this.#hasProgress;
  }

  /** Steps that went into the newest. */
  get steps(): number {
    return this.#steps;
  }

  /** Whether any is written but for a stop or a target. */
  get areWanted(): boolean {
    const { checkpointEvery, checkpointMinutes } = this.#parts.settings;
    return checkpointMinutes > 0 || checkpointEvery !== undefined;
  }

  /** @param steps of the run so far */
  isDue({ at }: RestPlace, steps: number): boolean {
    const { checkpointEvery: every, checkpointMinutes: minutes } = this.#parts.settings;
    if (every !== undefined && (at === 'stage' || (at === 'step' && steps - this.#steps >= every))) return true;
    return minutes > 0 && performance.now() - this.#writtenAt >= minutes * 60_000;
  }

  /** Writes one, unless its numbers are damaged, which a note says: one that is good is never replaced by one that is not. */
  async keep(state: RunState, progress: Progress): Promise<boolean> {
    for (const [name, buffer] of Object.entries(progress.buffers)) {
      if (ArrayBuffer.isView(buffer) || (buffer as FlatBuffer).dtype === 'u8') continue;
      const count = await countNonFinite(buffer as FlatBuffer);
      if (count === 0) continue;
      const steps = stepsText(state.summary?.steps ?? 0);
      this.#parts.onNote(`no checkpoint is written after ${steps}: ${count} numbers of ${name} are NaN or infinite`);
      return false;
    }
    await this.write(state, progress);
    this.#hasProgress = true;
    return true;
  }

  /** @param progress absent where the algorithm has not begun, or is done */
  async write(state: RunState, progress?: Progress): Promise<void> {
    const steps = state.summary?.steps ?? 0;
    // The last word of a run takes the place of the others, or of none.
    const keep = state.result ? (this.#stay ? Number.POSITIVE_INFINITY : 1) : this.#parts.settings.keep;
    const retention = { keep, pinned: state.result ? undefined : state.best?.checkpoint };
    await this.store.write(steps, { run: runStateToJson(state), progress }, retention);
    this.#writtenAt = performance.now();
    this.#steps = steps;
  }

  /** Writes what must not fail for lack of room: where there is none, older checkpoints give theirs. */
  async makingRoom(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      const { systemCode } = error instanceof SoulError ? error.details : {};
      const { out, onNote } = this.#parts;
      if (systemCode !== 'ENOSPC' || (await this.store.shrink(undefined)) === 0) throw error;
      onNote('the disk is full: all checkpoints but the last were removed to make room for the model');
      await out.removeModel();
      await write();
    }
  }

  /** Leaves what will stay, before the record takes their hashes. */
  async tidy(pinned: string | undefined): Promise<void> {
    if (this.store.size > 0) await this.store.tidy({ keep: this.#parts.settings.keep, pinned });
  }

  /**
   * What of the out folder is of no use when it stands: all of them, or the one alone that says what the run came to.
   *
   * @param isDone whether there is such a one
   */
  temporary(isDone: boolean): readonly string[] {
    if (!this.#stay) return [checkpointsName];
    const { newest } = this.store;
    return isDone && newest !== undefined ? [join(checkpointsName, basename(newest))] : [];
  }

  /**
   * What becomes of them, who hold all that the optimizer keeps.
   *
   * @param isResumed whether there were some in any case
   */
  traces(isResumed: boolean): Partial<Traces> {
    if (this.store.size === 0 && !isResumed) return {};
    const checkpoints = this.#stay ? 'kept' : 'removed';
    return { checkpoints, optimizerStates: checkpoints, masterWeights: checkpoints };
  }
}
