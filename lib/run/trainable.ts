/**
 * Which tensors a run may change, by their names.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import type { ParameterLayout } from '../model/parameter-layout.ts';
import { maskBeside } from '../model/tensor-masks.ts';
import { patternOf } from '../unlearn/setting.ts';
import type { RunnableModel } from './runnable-model.ts';

/** What says which tensors a run may change: those that match the one, but for those that match the other. */
export interface TensorChoice {
  readonly trainable?: string | undefined;
  readonly frozen?: string | undefined;
}

/** Whether a run keeps a mask of frozen weights. */
export function isMasked({ trainable, frozen }: TensorChoice): boolean {
  return trainable !== undefined || frozen !== undefined;
}

/**
 * Tells by a tensor's name whether the run may change it.
 *
 * @param isFresh whether it is the layout of adapters that are made anew
 * @throws SoulError SOUL_INVALID_ARGUMENT where a pattern matches no tensor, or nothing is left to change
 */
export function trainableNames(
  layout: ParameterLayout,
  choice: TensorChoice,
  isFresh = false,
): (name: string) => boolean {
  const names = [...layout].map(([name]) => name);
  const trainable = matching('trainable', choice.trainable, names);
  const frozen = matching('frozen', choice.frozen, names);
  const may = (name: string) => (trainable?.test(name) ?? true) && !frozen?.test(name);
  if (isFresh && ![...layout].some(([name, { factor }]) => factor === 'B' && may(name))) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      'of fresh adapters B (up.weight of unlearning layers) must be among what the run may change (--trainable, --frozen): while it is 0, ' +
        'nothing moves A',
      { argument: 'trainable' },
    );
  }
  if (names.some(may)) return may;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `frozen matches every tensor that the run could change: ${JSON.stringify(choice.frozen)}`,
    { argument: 'frozen' },
  );
}

/** A pattern that matches some of the names. */
function matching(argument: string, text: string | undefined, names: readonly string[]): RegExp | undefined {
  if (text === undefined) return undefined;
  const pattern = patternOf(argument, text);
  if (names.some((name) => pattern.test(name))) return pattern;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `${argument} matches no tensor: ${JSON.stringify(text)}; there are ${names.slice(0, 8).join(', ')}${names.length > 8 ? ` and ${names.length - 8} more` : ''}`,
    { argument },
  );
}

/**
 * The mask that freezes every weight that the run may not change, on the device of the weights; undefined where it may change all.
 *
 * @throws SoulError of {@link trainableNames}
 */
export async function frozenWeights(
  parameters: RunnableModel['parameters'],
  choice: TensorChoice,
): Promise<FlatBuffer<'u8'> | undefined> {
  return isMasked(choice) ? maskBeside(parameters, trainableNames(parameters.layout, choice)) : undefined;
}
