/**
 * Memory that ends after some buffers.
 *
 * @module
 */

import { jest } from '@jest/globals';
import { FlatBuffer, SoulError } from '../../lib/index.ts';

/** From now on `FlatBuffer.alloc` makes so many buffers, which `made` holds, then throws `full`; until mocks are restored. */
export function limitBuffers(room: number): { readonly made: FlatBuffer[]; readonly full: SoulError } {
  const made: FlatBuffer[] = [];
  const full = new SoulError('SOUL_OUT_OF_MEMORY', 'no room');
  const alloc = FlatBuffer.alloc;
  jest.spyOn(FlatBuffer, 'alloc').mockImplementation((count, options) => {
    if (made.length === room) throw full;
    const buffer = alloc.call(FlatBuffer, count, options);
    made.push(buffer);
    return buffer as never;
  });
  return { made, full };
}
