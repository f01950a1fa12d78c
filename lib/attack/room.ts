/**
 * What attacks work on, and what they share.
 *
 * @module
 */

import type { Cancellable } from '../core/cancellation.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { withoutUndefined } from '../core/optional.ts';
import { mean, probability } from '../eval/probability.ts';
import type { DifferentiableLM } from '../model/contract.ts';
import type { TokenSequence } from '../model/token-batch.ts';
import type { RunEvent } from '../unlearn/events.ts';
import type { CompleteAttackOptions } from './options.ts';
import type { Change } from './robustness.ts';

/** Examples that are measured. */
export interface AttackSet {
  readonly sequences: readonly TokenSequence[];
  /** The same with their question in other words; undefined where there is none. One for each sequence, or absent. */
  readonly paraphrases?: readonly (TokenSequence | undefined)[];
}

export interface AttackInput extends Cancellable {
  /** The unlearned model; its values are changed while an attack goes on, and are what they were, to the bit, when it ends. */
  readonly model: DifferentiableLM;
  readonly forget: AttackSet;
  readonly retain?: AttackSet;
  /** Texts that have nothing to do with either. */
  readonly unrelated?: readonly TokenSequence[];
  /** The values of the model before it was unlearned, laid out as the model's. */
  readonly original?: FlatBuffer;
  /** The values of a model that never saw the forget set, laid out as the model's. */
  readonly retrained?: FlatBuffer;
  readonly onEvent?: (event: RunEvent) => void;
}

/** Mean length-normalised probability of answers before and after. */
export interface MeasuredChange extends Change {
  readonly examples: number;
}

/** What one attack came to. */
export interface AttackResult {
  readonly kind: string;
  /** Tells attacks of one kind apart: the format of a quantisation. */
  readonly variant?: string;
  /** Absent where the attack measures no answers. */
  readonly forget?: MeasuredChange;
  readonly retain?: MeasuredChange;
  /** The retrained model's, under the same attack. */
  readonly retrained?: MeasuredChange;
  /** Optimizer steps; 0 where there are none. */
  readonly steps: number;
  readonly seconds: number;
  /** |dW|, how far the weights were moved; absent where none were. */
  readonly distance?: number;
  /** What else there is to say, by names. */
  readonly details: Readonly<Record<string, number>>;
}

export type Measured = Omit<AttackResult, 'kind' | 'seconds'>;

/** What an attack is given. */
export interface AttackRoom {
  readonly input: AttackInput;
  readonly options: CompleteAttackOptions;
  /** The model's values as they were before any attack. */
  readonly start: FlatBuffer;
  /** How far the first relearning moved the weights, once it has. */
  firstDistance?: number;
}

/** The mean probability of answers of the model as it is. */
export async function measure(room: AttackRoom, sequences: readonly TokenSequence[], what: string): Promise<number> {
  const { model, onEvent, signal } = room.input;
  const items = await probability(model, sequences, {
    batchSize: room.options.batchSize,
    ...withoutUndefined({ signal }),
    onProgress: ({ done, total }) => onEvent?.({ kind: 'progress', what, done, total }),
  });
  return mean(items.map((item) => item.probability));
}

/**
 * Measures sets, attacks, and measures them again.
 *
 * @param of what the model is called in progress, where it is another than the one that is attacked
 */
export async function around<Done>(
  room: AttackRoom,
  sets: { readonly forget: readonly TokenSequence[]; readonly retain?: readonly TokenSequence[] | undefined },
  attack: () => Promise<Done>,
  of = '',
): Promise<{ done: Done; forget: MeasuredChange; retain?: MeasuredChange }> {
  const all = async (when: string) => ({
    forget: await measure(room, sets.forget, `measuring the forget set ${when}${of}`),
    retain: sets.retain ? await measure(room, sets.retain, `measuring the retain set ${when}${of}`) : undefined,
  });
  const before = await all('before');
  const done = await attack();
  const after = await all('after');
  return {
    done,
    forget: { examples: sets.forget.length, before: before.forget, after: after.forget },
    ...(sets.retain && before.retain !== undefined && after.retain !== undefined
      ? { retain: { examples: sets.retain.length, before: before.retain, after: after.retain } }
      : {}),
  };
}
