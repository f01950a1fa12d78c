/**
 * The figures that a run is to come to (`until`): whether it has, and which look came nearest.
 *
 * @module
 */

import type { FigureCondition } from '../figure-condition.ts';
import type { MeasuredSets } from '../measure.ts';
import type { ChosenAlgorithm } from '../run-defaults.ts';
import { meets, untilConditions } from '../until.ts';
import { stepsText } from './journal-texts.ts';
import type { Look, RunState } from './run-state.ts';

export class RunTarget {
  /** The look that came nearest so far. */
  nearest: RunState['best'];
  readonly #until: string;
  readonly #conditions: readonly FigureCondition[];
  /** What the examples that epochs run over are called. */
  readonly #target: 'train' | 'forget';

  /** @param nearest of an earlier process */
  constructor(until: string, { algorithm: { name } }: ChosenAlgorithm, nearest: RunState['best']) {
    this.#until = until;
    this.#conditions = untilConditions('until', until);
    this.#target = name === 'finetune' ? 'train' : 'forget';
    this.nearest = nearest;
  }

  /** What to say of figures before the first step; undefined where they do not meet it. */
  noteOnBefore(figures: MeasuredSets, lookEvery: number): string | undefined {
    if (!meets(this.#conditions, figures).holds) return undefined;
    const end = `the run ends at its first look, after ${stepsText(lookEvery)} at most`;
    return `${this.#until} is met before the first step already (${this.#shown(figures)}): ${end}`;
  }

  /** @returns `lacking`, where it came nearer than all before, by how much it is missed */
  judge({ step, figures }: Look): { readonly holds: boolean; readonly lacking?: number; readonly note: string } {
    const { holds, lacking } = meets(this.#conditions, figures);
    const end = holds ? '; the target is reached, and the run ends here' : '';
    const isNearest = lacking < (this.nearest?.lacking ?? Number.POSITIVE_INFINITY);
    return {
      holds,
      ...(isNearest ? { lacking } : {}),
      note: `after ${stepsText(step)}: ${this.#shown(figures)}${end}`,
    };
  }

  /** What to say of a run that ended without reaching it. */
  get missedNote(): string {
    const { nearest } = this;
    const shown = nearest && `nearest to it, after ${stepsText(nearest.step)}, were ${this.#shown(nearest.figures)}`;
    return `the run ended without reaching ${this.#until}${shown ? `; ${shown}` : ''}`;
  }

  #shown({ target, retain }: Partial<MeasuredSets>): string {
    const sets = Object.entries({ [this.#target]: target, retain }).filter(([, each]) => each !== undefined);
    return sets.map(([name, each]) => `${name}.probability ${each!.probability.toFixed(4)}`).join(', ');
  }
}
