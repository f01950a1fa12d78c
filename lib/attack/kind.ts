/**
 * What a kind of attack is.
 *
 * @module
 */

import type { AttackInput, AttackRoom, Measured } from './room.ts';

export interface AttackKind {
  readonly name: string;
  /** What it does, in a few words that begin in lower case. */
  readonly summary: string;
  /** What it tells of a model. */
  readonly tells: string;
  readonly source: string;
  /** What is missing for it, in words; undefined where nothing is. */
  missing(input: AttackInput): string | undefined;
  /** Attacks; the model's values are put back by the caller. */
  run(room: AttackRoom): Promise<Measured[]>;
}
