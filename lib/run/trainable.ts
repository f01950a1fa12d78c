/**
 * Which tensors a run may change, by their names.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { copyOfMask, maskOfRanges } from '../core/frozen-masks.ts';
import { elementCount } from '../core/shape.ts';
import { patternOf } from '../unlearn/setting.ts';
import type { RunnableModel } from './runnable-model.ts';

/**
 * The mask that freezes every weight but those of tensors whose name matches; on the device of the weights.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT where none matches
 */
export async function frozenBut(
  { values, layout }: RunnableModel['parameters'],
  trainable: string,
): Promise<FlatBuffer<'u8'>> {
  const pattern = patternOf('trainable', trainable);
  const frozen = [...layout].filter(([name]) => !pattern.test(name));
  const names = [...layout].map(([name]) => name);
  if (frozen.length === names.length) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `trainable matches no tensor: ${JSON.stringify(trainable)}; there are ${names.slice(0, 8).join(', ')}${names.length > 8 ? ` and ${names.length - 8} more` : ''}`,
      { argument: 'trainable' },
    );
  }
  const ranges = frozen.map(([, { offset, shape }]) => ({ start: offset, length: elementCount(shape) }));
  const mask = maskOfRanges(values.length, ranges);
  return values.device === 'cpu' ? mask : copyOfMask(mask, values.device);
}
