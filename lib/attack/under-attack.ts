/**
 * A model under attack, for whatever is to be found out about it there.
 *
 * @module
 */

import { checkSignal } from '../core/cancellation.ts';
import { invalidArgument } from '../core/errors.ts';
import { FlatBuffer } from '../core/flat-buffer.ts';
import { takingMemory } from '../core/out-of-memory.ts';
import type { DifferentiableLM } from '../model/contract.ts';
import { checkSequences, type TokenSequence } from '../model/token-batch.ts';
import type { RunEvent } from '../unlearn/events.ts';
import { type AttackOptions, type CompleteAttackOptions, completeAttackOptions } from './options.ts';
import { quantizationFormats } from './quantization/formats.ts';
import { quantize } from './quantization/quantize.ts';
import { fineTune, split } from './relearn.ts';
import type { AttackRoom } from './room.ts';

export interface WhileAttackedInput {
  /** Its values are changed while the attack holds, and are what they were, to the bit, when it ends. */
  readonly model: DifferentiableLM;
  /** What it was to forget: relearning sees a share of it. */
  readonly forget: readonly TokenSequence[];
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: RunEvent) => void;
}

/** An attack that leaves a model, of which anything can be measured. */
export interface StandingAttack {
  readonly name: string;
  /** What it does, in a few words that begin in lower case. */
  readonly summary: string;
  /** The options that decide what it leaves. */
  readonly settings: (options: CompleteAttackOptions) => Readonly<Record<string, number | string>>;
  /** Changes the model's values; tells what came of it, in figures. */
  readonly apply: (room: AttackRoom) => Promise<Readonly<Record<string, number>>>;
}

const relearn: StandingAttack = {
  name: 'relearn',
  summary: 'fine-tunes on a share of the forget set',
  settings: ({ share, steps, batchSize, learningRate, weightDecay, seed, distance }) => ({
    ...{ share, steps, batchSize, learningRate, weightDecay, seed: String(seed) },
    ...(distance === undefined ? {} : { distance }),
  }),
  async apply(room) {
    const { seen } = split(room.input.forget.sequences, room.options.share, room.options.seed, 0);
    return { seen: seen.length, ...(await fineTune(room, seen, room.start)) };
  },
};

/** Relearning on the forget set, and rounding to each format. */
export const standingAttacks: readonly StandingAttack[] = [
  relearn,
  ...quantizationFormats.map(
    (format): StandingAttack => ({
      name: format.name,
      summary: `rounds the linear layers' weights to ${format.name} (${format.bits} bits)`,
      settings: () => ({}),
      async apply({ input: { model, signal, onEvent } }) {
        const { values, layout } = model.parameters;
        const rounded = await quantize(values, layout, format, {
          ...(signal ? { signal } : {}),
          onProgress: (done, total) => onEvent?.({ kind: 'progress', what: `rounding to ${format.name}`, done, total }),
        });
        return { rounded };
      },
    }),
  ),
];

/** @throws SoulError SOUL_INVALID_ARGUMENT for a name that none has */
export function standingAttack(name: string): StandingAttack {
  const found = standingAttacks.find((attack) => attack.name === name);
  if (found) return found;
  throw invalidArgument('attack', standingAttacks.map((attack) => `'${attack.name}'`).join(', '), name);
}

/** What an attack is, in numbers and texts, as far as options decide: for records, and to tell attacks apart. */
export function attackRecord(name: string, options: AttackOptions = {}): Readonly<Record<string, number | string>> {
  const attack = standingAttack(name);
  return { name: attack.name, ...attack.settings(completeAttackOptions(options)) };
}

/**
 * Attacks a model in memory, does some work with it, and puts its values back, also where the attack or the work fails or is cancelled.
 * Gradients are 0 afterwards.
 *
 * @param name of {@link standingAttacks}
 * @param work is given what came of the attack: steps and |dW| of relearning, how many weights were rounded
 * @returns what the work gives
 * @throws SoulError SOUL_INVALID_ARGUMENT; SOUL_CANCELLED by `input.signal`; of the work
 *
 * @example
 * const log = await whileAttacked({ model, forget }, 'nf4', {}, () => evaluateTofu(model, tokenizer, sets));
 */
export async function whileAttacked<Result>(
  input: WhileAttackedInput,
  name: string,
  options: AttackOptions,
  work: (outcome: Readonly<Record<string, number>>) => Promise<Result>,
): Promise<Result> {
  const complete = completeAttackOptions(options);
  const attack = standingAttack(name);
  const { model, forget, ...rest } = input;
  if (!(model?.parameters?.values instanceof FlatBuffer)) throw invalidArgument('model', 'a loaded model', model);
  checkSignal('signal', input.signal);
  checkSequences('forget', forget, model.vocabularySize);
  if (forget.length === 0) throw invalidArgument('forget', 'at least one example', forget);
  const { values } = model.parameters;
  const start = takingMemory('a copy of the weights', () =>
    FlatBuffer.alloc(values.length, { device: values.device, dtype: values.dtype }),
  );
  try {
    await start.copyFrom(values);
    const room: AttackRoom = { input: { model, forget: { sequences: forget }, ...rest }, options: complete, start };
    try {
      return await work(await attack.apply(room));
    } finally {
      await values.copyFrom(start);
    }
  } finally {
    start.release();
  }
}
