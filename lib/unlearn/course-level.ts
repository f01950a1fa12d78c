/**
 * The parts of an algorithm, or of one of its stages, in their order.
 *
 * @module
 */

import { shortName } from '../core/errors.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import type { Json } from '../core/json.ts';
import type { Progress } from './journal.ts';
import { listOf, membersOf, type NamedMemory, noState, otherWay } from './kept-progress.ts';

export type PartKind = 'stage' | 'descent' | 'snapshot';

/** A part that is done. */
export interface DonePart {
  readonly kind: PartKind;
  readonly name: string;
  /** What a stage came to, or the summary of a descent. */
  readonly value?: Json;
}

interface KeptPart extends DonePart {
  /** Names of the buffers that it left, but for those that a later part left again, or that were released. */
  readonly leaves: readonly string[];
}

/** A part that is under way: a stage with parts of its own, or a descent with its state. */
interface KeptOpenPart {
  readonly kind: PartKind;
  readonly name: string;
  readonly level?: KeptLevel;
  readonly state?: Json;
}

export interface KeptLevel {
  readonly done: readonly KeptPart[];
  readonly open?: KeptOpenPart;
}

type OpenPart =
  | { readonly kind: 'stage'; readonly name: string; readonly level: CourseLevel }
  | { readonly kind: 'descent'; readonly name: string };

export class CourseLevel {
  readonly #prefix: string;
  readonly #kept: KeptLevel | undefined;
  readonly #done: { readonly part: DonePart; readonly leaves: Map<string, FlatBuffer> }[] = [];
  open: OpenPart | undefined;

  constructor(prefix: string, kept: KeptLevel | undefined) {
    this.#prefix = prefix;
    this.#kept = kept;
  }

  /** What the names of the next part's buffers begin with. */
  get nextPrefix(): string {
    return `${this.#prefix}${this.#done.length}/`;
  }

  /** Whether the weights are to be put in place now: the last part that was done is passed, and none was under way. */
  get isCaughtUp(): boolean {
    return this.#kept?.open === undefined && this.#kept?.done.length === this.#done.length;
  }

  /**
   * What was kept of the next part; undefined where nothing was.
   *
   * @throws SoulError SOUL_BAD_FILE where another part was kept in this place
   */
  next(kind: PartKind, name: string): { readonly done?: KeptPart; readonly open?: KeptOpenPart } | undefined {
    const index = this.#done.length;
    const done = this.#kept?.done[index];
    const open = index === this.#kept?.done.length ? this.#kept.open : undefined;
    const kept = done ?? open;
    if (kept === undefined) return undefined;
    const [before, now] = [kept, { kind, name }].map((part) => `the ${part.kind} ${shortName(part.name)}`);
    if (before !== now) throw otherWay(`part ${this.nextPrefix.slice(0, -1)}`, before!, now!);
    return done ? { done } : { open: open! };
  }

  /** Counts a part as done. A buffer that it leaves under a name that stood before is kept as it leaves it. */
  add(part: DonePart, leaves: Readonly<Record<string, FlatBuffer>>): void {
    for (const { leaves: earlier } of this.#done) for (const name of Object.keys(leaves)) earlier.delete(name);
    this.#done.push({ part, leaves: new Map(Object.entries(leaves)) });
  }

  /** Counts the part that was kept as done, and says which of its buffers are to be filled from what begins with which prefix. */
  pass(name: string, leaves: Readonly<Record<string, FlatBuffer>>): { prefix: string; buffers: NamedMemory } {
    const { leaves: kept, ...part } = this.#kept!.done[this.#done.length]!;
    const prefix = this.nextPrefix;
    const lacking = kept.filter((each) => leaves[each] === undefined);
    if (lacking.length > 0) throw otherWay(`what ${shortName(name)} leaves`, listOf(kept), listOf(Object.keys(leaves)));
    const buffers = Object.fromEntries(kept.map((each) => [each, leaves[each]!]));
    this.add(part, buffers);
    return { prefix, buffers };
  }

  /** @throws SoulError SOUL_BAD_FILE where there was more */
  requireReached(): void {
    const { done = [], open } = this.#kept ?? {};
    const missing = done[this.#done.length] ?? (this.#done.length === done.length ? open : undefined);
    if (missing === undefined) return;
    const part = `part ${this.nextPrefix.slice(0, -1)}`;
    throw otherWay(part, `the ${missing.kind} ${shortName(missing.name)}`, 'not there');
  }

  /** The state, as {@link keptLevelOf} reads it; buffers are added to those that are given. */
  describe(buffers: Record<string, FlatBuffer | Float32Array>, descent: Progress | undefined): Record<string, Json> {
    const done = this.#done.map(({ part, leaves }, i) => {
      // What was released is read no more.
      const kept = [...leaves].filter(([, { released }]) => !released);
      for (const [name, buffer] of kept) buffers[`${this.#prefix}${i}/${name}`] = buffer;
      return { ...part, leaves: kept.map(([name]) => name) };
    });
    const { open } = this;
    if (open === undefined) return { done };
    const { kind, name } = open;
    if (open.kind === 'stage') return { done, open: { kind, name, level: open.level.describe(buffers, descent) } };
    for (const [own, buffer] of Object.entries(descent!.buffers)) buffers[`${this.nextPrefix}${own}`] = buffer;
    return { done, open: { kind, name, state: descent!.state } };
  }
}

/**
 * Reads a kept state.
 *
 * @throws SoulError SOUL_BAD_FILE
 */
export function keptLevelOf(state: Json, format?: number): KeptLevel {
  const { format: found, done, open, ...others } = membersOf('the course', state);
  if (found !== format || !Array.isArray(done) || Object.keys(others).length > 0) throw noState('the course');
  const kept = done.map((part, i): KeptPart => {
    const { leaves, value, ...text } = membersOf(`part ${i}`, part);
    const isList = Array.isArray(leaves) && leaves.every((each) => typeof each === 'string');
    if (!isList) throw noState(`part ${i}`);
    return { ...textOf(text), leaves: leaves as string[], ...(value === undefined ? {} : { value }) };
  });
  if (open === undefined) return { done: kept };
  const { level, state: own, ...text } = membersOf('the part under way', open);
  const part = textOf(text);
  if (part.kind === 'stage' && level !== undefined) return { done: kept, open: { ...part, level: keptLevelOf(level) } };
  if (part.kind === 'descent' && own !== undefined) return { done: kept, open: { ...part, state: own } };
  throw noState('the part under way');
}

function textOf({ kind, name }: { readonly [name: string]: Json }): { kind: PartKind; name: string } {
  const isKind = kind === 'stage' || kind === 'descent' || kind === 'snapshot';
  if (isKind && typeof name === 'string') return { kind, name };
  throw noState('a part');
}
