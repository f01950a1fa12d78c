/**
 * Attacks on an unlearned model, one after the other.
 *
 * @module
 */

import { checkSignal } from '../core/cancellation.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { checkSameLength, FlatBuffer, isSameMemory } from '../core/flat-buffer.ts';
import { takingMemory } from '../core/out-of-memory.ts';
import { checkSequence, checkSequences } from '../model/token-batch.ts';
import { attackKind } from './kinds/index.ts';
import { type AttackOptions, completeAttackOptions } from './options.ts';
import { overallRobustness, quantizationRobustness, relearningRobustness } from './robustness.ts';
import type { AttackInput, AttackResult, AttackRoom, AttackSet } from './room.ts';

/** From 0 to 1, each there where the attacks are that it is made of. */
export interface Robustness {
  /** R: relearning on the forget set, beside a retrained model. */
  readonly relearning?: number;
  /** Q: quantisation to NF4. */
  readonly quantization?: number;
  /** HM(R, Q). */
  readonly overall?: number;
}

export interface AttackReport {
  readonly attacks: readonly AttackResult[];
  readonly robustness: Robustness;
}

/**
 * Attacks a model in memory. Each attack begins with the model as it was given, which it is again, to the bit, after the last, and also
 * where one fails or is cancelled. Gradients are 0 afterwards.
 *
 * @param names of {@link attackKinds}, in the order in which they are made
 * @throws SoulError SOUL_INVALID_ARGUMENT, before anything is run, for what is unknown or missing; SOUL_CANCELLED by `input.signal`; of
 *   {@link descend}
 *
 * @example
 * const { attacks } = await attackModel({ model, forget: { sequences } }, ['relearn', 'quantize'], { steps: 20 });
 * attacks.map(({ kind, forget }) => [kind, forget?.before, forget?.after]);
 */
export async function attackModel(
  input: AttackInput,
  names: readonly string[],
  options: AttackOptions = {},
): Promise<AttackReport> {
  const complete = completeAttackOptions(options);
  const kinds = checkAttacks(input, names);
  const { values } = input.model.parameters;
  const start = takingMemory('a copy of the weights', () =>
    FlatBuffer.alloc(values.length, { device: values.device, dtype: values.dtype }),
  );
  try {
    await start.copyFrom(values);
    const room: AttackRoom = { input, options: complete, start };
    const attacks: AttackResult[] = [];
    for (const kind of kinds) {
      input.onEvent?.({ kind: 'stage', name: kind.name });
      const begun = performance.now();
      let measured: Awaited<ReturnType<typeof kind.run>>;
      try {
        measured = await kind.run(room);
      } finally {
        await values.copyFrom(start);
      }
      const seconds = (performance.now() - begun) / 1000 / measured.length;
      attacks.push(...measured.map((each) => ({ kind: kind.name, ...each, seconds })));
    }
    return { attacks, robustness: robustnessOf(attacks) };
  } finally {
    start.release();
  }
}

/** @throws SoulError SOUL_INVALID_ARGUMENT */
function checkAttacks(input: AttackInput, names: readonly string[]) {
  if (!Array.isArray(names) || names.length === 0) throw invalidArgument('kinds', 'at least one kind of attack', names);
  const kinds = [...new Set(names as readonly string[])].map(attackKind);
  const { model, forget, retain, unrelated, original, retrained, signal, onEvent } = input;
  if (!(model?.parameters?.values instanceof FlatBuffer)) throw invalidArgument('model', 'a loaded model', model);
  checkSignal('signal', signal);
  if (onEvent !== undefined && typeof onEvent !== 'function') throw invalidArgument('onEvent', 'a function', onEvent);
  for (const [name, set] of Object.entries({ forget, retain, unrelated: unrelated && { sequences: unrelated } })) {
    if (set === undefined && name !== 'forget') continue;
    checkSet(name, set, model.vocabularySize);
  }
  for (const [name, values] of Object.entries({ original, retrained })) {
    if (values === undefined) continue;
    if (!(values instanceof FlatBuffer)) throw invalidArgument(name, 'a FlatBuffer', values);
    checkSameLength(name, values.length, model.parameters.values.length);
  }
  // It would be what the attack before it made of the model.
  if (retrained && isSameMemory(retrained, model.parameters.values)) {
    throw invalidArgument('retrained', "a buffer of its own, not the model's", retrained);
  }
  for (const kind of kinds) {
    const missing = kind.missing(input);
    if (missing === undefined) continue;
    throw new SoulError('SOUL_INVALID_ARGUMENT', `the attack ${kind.name} needs ${missing}`, {
      argument: 'kinds',
      kind: kind.name,
    });
  }
  return kinds;
}

/** @throws SoulError SOUL_INVALID_ARGUMENT */
function checkSet(name: string, set: AttackSet | undefined, vocabularySize: number | undefined): void {
  const { sequences, paraphrases } = set ?? {};
  checkSequences(name, sequences, vocabularySize);
  if (sequences!.length === 0) throw invalidArgument(name, 'at least one example', sequences);
  if (paraphrases === undefined) return;
  const argument = `${name}.paraphrases`;
  if (!Array.isArray(paraphrases)) throw invalidArgument(argument, 'an array', paraphrases);
  checkSameLength(argument, paraphrases.length, sequences!.length);
  for (const [i, other] of paraphrases.entries()) {
    if (other !== undefined) checkSequence(`${argument}[${i}]`, other, vocabularySize);
  }
}

function robustnessOf(attacks: readonly AttackResult[]): Robustness {
  const relearned = attacks.find(({ kind, retrained }) => kind === 'relearn' && retrained);
  const rounded = attacks.find(({ kind, variant }) => kind === 'quantize' && variant === 'nf4');
  const relearning = relearned && relearningRobustness(relearned.forget!, relearned.retrained!);
  const quantization = rounded && quantizationRobustness(rounded.forget!);
  return {
    ...(relearning === undefined ? {} : { relearning }),
    ...(quantization === undefined ? {} : { quantization }),
    ...(relearning === undefined || quantization === undefined
      ? {}
      : { overall: overallRobustness(relearning, quantization) }),
  };
}
