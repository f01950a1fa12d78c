/**
 * How far an algorithm has come, in a form that can be kept and taken up by another process.
 *
 * @module
 */

import type { FlatBuffer } from '../core/flat-buffer.ts';
import type { Json } from '../core/json.ts';
import type { StepEvent } from './events.ts';

/** Everything that comes next depends on, beside the settings, the data and the starting model. */
export interface Progress {
  /** What is done and what is under way. */
  readonly state: Json;
  /** Memory by names of its own, to be put back bit for bit: the weights, the optimizer's states, what stages left. */
  readonly buffers: Readonly<Record<string, FlatBuffer | Float32Array>>;
}

/** What an earlier process kept of {@link Progress}. */
export interface KeptProgress {
  readonly state: Json;
  /** Fills memory of the length and dtype that was kept under the name. */
  readInto(name: string, target: FlatBuffer | Float32Array): Promise<void>;
  /** Elements kept under a name; undefined where there is none. */
  lengthOf(name: string): number | undefined;
}

/** Where everything is at rest. */
export interface RestPlace {
  /** `descent`: before a descent's first step; `step`: behind one; `stage`: behind a part of an algorithm that is whole. */
  readonly at: 'descent' | 'step' | 'stage';
  /** Of the descent's method, or of the stage. */
  readonly name: string;
  /** The step that was taken, which whoever listens has been told of. */
  readonly event?: StepEvent;
}

/** Keeps the progress of a lab. */
export interface Journal {
  /** What an earlier process kept of the same run, to go on from. */
  readonly kept?: KeptProgress;
  /**
   * Called wherever everything is at rest; calls `progress` where it wants to keep it, and throws where the run is to end there. In
   * the place where a descent goes on that was kept it is called again, so that what ended there ends there once more.
   *
   * @returns `end` where a descent is to take no more steps; of other places it makes no difference
   */
  rest(place: RestPlace, progress: () => Progress): Promise<'go on' | 'end'>;
}
