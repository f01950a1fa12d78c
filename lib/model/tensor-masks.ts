/**
 * Masks of whole tensors.
 *
 * @module
 */

import type { FlatBuffer } from '../core/flat-buffer.ts';
import { copyOfMask, maskOfRanges, type WeightRange } from '../core/frozen-masks.ts';
import { elementCount } from '../core/shape.ts';
import type { ParameterLayout, ParameterPlace } from './parameter-layout.ts';

/**
 * What of a layout's buffers lies beside the tensors that `isIn` holds for, in rising order: the other tensors, and all padding.
 * None of them is empty.
 *
 * @param isIn all tensors by default, which leaves padding
 */
export function rangesBeside(
  layout: ParameterLayout,
  isIn: (name: string, place: ParameterPlace) => boolean = () => true,
): WeightRange[] {
  const ranges: WeightRange[] = [];
  let end = 0;
  const leaveOut = (until: number) => {
    if (until > end) ranges.push({ start: end, length: until - end });
  };
  // A layout gives its tensors as they lie.
  for (const [name, place] of layout) {
    if (!isIn(name, place)) continue;
    leaveOut(place.offset);
    end = place.offset + elementCount(place.shape);
  }
  leaveOut(layout.length);
  return ranges;
}

/** The mask that freezes everything beside the tensors that `isIn` holds for, on the device of the weights. */
export async function maskBeside(
  { values, layout }: { readonly values: FlatBuffer; readonly layout: ParameterLayout },
  isIn: (name: string, place: ParameterPlace) => boolean,
): Promise<FlatBuffer<'u8'>> {
  const mask = maskOfRanges(values.length, rangesBeside(layout, isIn));
  return values.device === 'cpu' ? mask : copyOfMask(mask, values.device);
}
