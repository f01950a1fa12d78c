/**
 * Which tensors a run may change, by their names.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { FlatBuffer } from '../core/flat-buffer.ts';
import { maskOfRanges } from '../core/frozen-masks.ts';
import { elementCount } from '../core/shape.ts';
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
  const pattern = new RegExp(trainable, 'u');
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
  const mask = FlatBuffer.alloc(Math.ceil(values.length / 8), { dtype: 'u8', device: values.device });
  await mask.copyFrom(maskOfRanges(values.length, ranges));
  return mask;
}
