/**
 * The course of an algorithm through its parts: which are done and what they left, and which is under way.
 *
 * An algorithm that is resumed is run again from its beginning, on the starting model. Parts that were done give what they came to
 * then, without work; weights are put in place where the part that was under way is reached, or the last that was done is passed.
 *
 * @module
 */

import type { FlatBuffer } from '../core/flat-buffer.ts';
import type { Json } from '../core/json.ts';
import { CourseLevel, keptLevelOf } from './course-level.ts';
import type { DescentSummary, RunEvent } from './events.ts';
import { fromExactJson, toExactJson } from './exact-json.ts';
import type { Journal, KeptProgress, Progress } from './journal.ts';
import { readAll } from './kept-progress.ts';

/** What a stage comes to: what JSON can hold, or nothing. */
// biome-ignore lint/suspicious/noConfusingVoidType: a generator without a return gives void
export type StageValue = Json | undefined | void;

/** The work of a stage, which may say what it does. */
export type StageWork<Value extends StageValue> = () => AsyncGenerator<RunEvent, Value, void> | Promise<Value>;

/** Buffers that a stage leaves, by names of its own. */
export type Leavings = () => Readonly<Record<string, FlatBuffer>>;

/** Of the form of a course's state; a later one says what it makes of an earlier one's. */
const format = 1;

/** A descent that is under way. */
export interface CourseDescent {
  readonly journal: Journal;
  /** It has come to its end. */
  finish(summary: DescentSummary): void;
}

export class Course {
  readonly #journal: Journal;
  readonly #values: FlatBuffer;
  readonly #root: CourseLevel;
  #level: CourseLevel;
  /** Whether the weights may be others than those that a resumed run finds. */
  #isMoved = false;

  /** @throws SoulError SOUL_BAD_FILE where what was kept is no course */
  constructor(journal: Journal, values: FlatBuffer) {
    this.#journal = journal;
    this.#values = values;
    const { kept } = journal;
    this.#root = new CourseLevel('', kept && keptLevelOf(kept.state, format));
    this.#level = this.#root;
  }

  async *stage<Value extends StageValue>(
    name: string,
    work: StageWork<Value>,
    leaves: Leavings,
  ): AsyncGenerator<RunEvent, Value, void> {
    const level = this.#level;
    const part = level.next('stage', name);
    if (part?.done) {
      await this.#pass(name, leaves);
      return (part.done.value === undefined ? undefined : fromExactJson(part.done.value)) as Value;
    }
    yield { kind: 'stage', name };
    const inner = new CourseLevel(level.nextPrefix, part?.open?.level);
    level.open = { kind: 'stage', name, level: inner };
    this.#level = inner;
    let value: Value;
    try {
      value = yield* workOf(work);
    } finally {
      this.#level = level;
      level.open = undefined;
    }
    inner.requireReached();
    level.add({ kind: 'stage', name, ...(value === undefined ? {} : { value: toExactJson(name, value) }) }, leaves());
    this.#isMoved = true;
    await this.#journal.rest({ at: 'stage', name }, () => this.#progress());
    return value;
  }

  /** The summary of a descent that was done, or what the next one keeps its progress by. */
  async descent(name: string): Promise<DescentSummary | CourseDescent> {
    const level = this.#level;
    const part = level.next('descent', name);
    if (part?.done) {
      await this.#pass(name, () => ({}));
      return fromExactJson(part.done.value!) as unknown as DescentSummary;
    }
    const prefix = level.nextPrefix;
    level.open = { kind: 'descent', name };
    const state = part?.open?.state;
    return {
      journal: {
        ...(state === undefined ? {} : { kept: partOf(this.#journal.kept!, prefix, state) }),
        rest: (place, progress) => this.#journal.rest(place, () => this.#progress(progress())),
      },
      finish: (summary) => {
        level.open = undefined;
        level.add({ kind: 'descent', name, value: toExactJson(name, summary) }, {});
        this.#isMoved = true;
      },
    };
  }

  /** A copy of the weights; it is kept where they are no longer those that a resumed run begins with. */
  async snapshot(copy: FlatBuffer): Promise<void> {
    const level = this.#level;
    const name = 'snapshot';
    if (!this.#isMoved || level.open?.kind === 'descent') return copy.copyFrom(this.#values);
    if (level.next(name, name)?.done) return this.#pass(name, () => ({ [name]: copy }));
    await copy.copyFrom(this.#values);
    level.add({ kind: name, name }, { [name]: copy });
  }

  /** @throws SoulError SOUL_BAD_FILE where something that was kept was never come to */
  requireReached(): void {
    this.#root.requireReached();
  }

  /** Goes past a part that was done. */
  async #pass(name: string, leaves: Leavings): Promise<void> {
    const level = this.#level;
    const { kept } = this.#journal;
    const left = level.pass(name, leaves());
    await readAll(kept!, left.prefix, left.buffers);
    this.#isMoved = true;
    if (!level.isCaughtUp) return;
    await readAll(kept!, '', { values: this.#values });
  }

  /** Where everything is, with how far the descent under way has come. */
  #progress(descent?: Progress): Progress {
    const buffers: Record<string, FlatBuffer | Float32Array> = {};
    const state = { format, ...this.#root.describe(buffers, descent) };
    if (descent === undefined) buffers.values = this.#values;
    return { state, buffers };
  }
}

/** Does the work, whichever form it has. */
export async function* workOf<Value extends StageValue>(work: StageWork<Value>): AsyncGenerator<RunEvent, Value, void> {
  const under = work();
  return 'next' in under ? yield* under : await under;
}

/** What was kept under names that begin so. */
function partOf(kept: KeptProgress, prefix: string, state: Json): KeptProgress {
  return {
    state,
    readInto: (name, target) => kept.readInto(`${prefix}${name}`, target),
    lengthOf: (name) => kept.lengthOf(`${prefix}${name}`),
  };
}
