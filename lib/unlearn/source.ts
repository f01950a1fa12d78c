/**
 * Where a term's sequences come from.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { checkSequence, type TokenSequence } from '../model/token-batch.ts';

/** The data of a run as tokens. */
export interface DataSets {
  /** The set that epochs run over: the forget set, or the training set of fine-tuning. */
  readonly target: readonly TokenSequence[];
  /** What is to be kept. */
  readonly retain?: readonly TokenSequence[];
  /** Answers that say nothing: `of(i, r)` is the question of target sequence i with refusal r, of `count`, as its answer. */
  readonly refusals?: { readonly count: number; of(target: number, refusal: number): TokenSequence };
  /** For each target sequence, its question with other answers. */
  readonly alternatives?: readonly (readonly TokenSequence[])[];
  /** For each target sequence, the name of the group that it belongs to. */
  readonly groups?: readonly string[];
}

/** Sets that a run may lack. */
export type OptionalSet = Exclude<keyof DataSets, 'target'>;

/** One of `size`, from 0: the same for one run, epoch, example and purpose. */
export type Draw = (purpose: string, size: number) => number;

/** Sequences by example. */
export interface Source {
  /** Number of examples. */
  readonly size: number;
  /** Sequences of an example, which are never parted. */
  readonly width: number;
  /** Whether example i belongs to target sequence i; else one is drawn beside each target sequence, for this purpose. */
  readonly beside: 'target' | { readonly purpose: string };
  /** The sequences of one example, `width` of them. */
  at(index: number, draw: Draw): readonly TokenSequence[];
}

/** What makes a source of a run's sets; `needs` names the sets that it cannot do without. */
export interface SourceOf {
  (sets: DataSets): Source;
  readonly needs: readonly OptionalSet[];
  /** Set where every token is a label, also of a prompt: passes then compute more labels than the set's own sequences have. */
  readonly everyToken?: true;
}

/** The target set with its own answers. */
export const targetSet: SourceOf = source([], ({ target }) => ({
  size: target.length,
  width: 1,
  beside: 'target',
  at: (index) => [target[index]!],
}));

/** The target set as text: every token but the first is a label, prompts too. */
export const targetText: SourceOf = Object.assign(
  source([], ({ target }) => ({
    size: target.length,
    width: 1,
    beside: 'target',
    at: (index) => [asText(target[index]!)],
  })),
  { everyToken: true as const },
);

/** The same tokens, all but the first of them labels. */
export function asText({ tokens }: TokenSequence): TokenSequence {
  return { tokens, labelsFrom: 1 };
}

/** The retain set, of which one sequence is drawn beside each target sequence. */
export const retainSet: SourceOf = source(['retain'], ({ retain = [] }) => ({
  size: retain.length,
  width: 1,
  beside: { purpose: 'retain partner' },
  at: (index) => [retain[index]!],
}));

/** The target's questions with refusals for answers. */
export const refusalSet: SourceOf = source(['refusals'], ({ target, refusals }) => ({
  size: target.length,
  width: 1,
  beside: 'target',
  at: (index, draw) => {
    const refusal = draw('refusal', refusals!.count);
    const sequence: unknown = refusals!.of(index, refusal);
    checkSequence(`refusals.of(${index}, ${refusal})`, sequence);
    return [sequence];
  },
}));

/** Pairs for preference optimization: a refusal, then the target's own answer. */
export const refusalPairs: SourceOf = source(['refusals'], (sets) => pairs(sets, refusalSet(sets)));

/** The target's questions with other answers. */
export const alternativeSet: SourceOf = source(['alternatives'], ({ target, alternatives = [] }) => ({
  size: target.length,
  width: 1,
  beside: 'target',
  at: (index, draw) => {
    const own = alternatives[index] ?? [];
    if (own.length === 0) {
      throw new SoulError('SOUL_INVALID_ARGUMENT', `alternatives[${index}] holds no sequence`, {
        argument: 'alternatives',
        index,
      });
    }
    return [own[draw('alternative', own.length)]!];
  },
}));

/** Pairs for preference optimization: another answer, then the target's own. */
export const alternativePairs: SourceOf = source(['alternatives'], (sets) => pairs(sets, alternativeSet(sets)));

function pairs({ target }: DataSets, preferred: Source): Source {
  return {
    size: target.length,
    width: 2,
    beside: 'target',
    at: (index, draw) => [...preferred.at(index, draw), target[index]!],
  };
}

function source(needs: readonly OptionalSet[], of: (sets: DataSets) => Source): SourceOf {
  return Object.assign(of, { needs });
}
