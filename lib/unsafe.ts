/**
 * Memory by address: what cannot be checked, kept apart from what can.
 *
 * @module
 */

import { nativeAddon } from './core/addon.ts';
import { invalidArgument } from './core/errors.ts';
import {
  adoptMemory,
  checkKind,
  checkLength,
  type DType,
  type FlatBuffer,
  type FlatBufferOptions,
  kindNames,
} from './core/flat-buffer.ts';
import { checkNames } from './core/option-names.ts';

export interface PointerOptions<Kind extends DType = DType> extends FlatBufferOptions<Kind> {
  /** Address of the first element; not null, and aligned to the dtype's size. */
  pointer: bigint;
  /** Number of elements. */
  length: number;
  /** What owns the memory; kept alive as long as the buffer, its views or work on them are. */
  owner?: unknown;
}

const pointerNames = [...kindNames, 'pointer', 'length', 'owner'] as const satisfies readonly (keyof PointerOptions)[];

/**
 * A buffer on memory that another trainer owns.
 *
 * Null, misaligned and overflowing addresses are refused. That the memory is really there, of that length, and stays
 * until the buffer is released and the promise of `release()` resolved, is the caller's word: a wrong one breaks the
 * process.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_UNSUPPORTED
 */
export function fromPointer<Kind extends DType = 'f32'>(options: PointerOptions<Kind>): FlatBuffer<Kind> {
  checkNames('options', options, pointerNames);
  const { dtype, device } = checkKind(options);
  checkLength(options.length, 'length');
  if (typeof options.pointer !== 'bigint') throw invalidArgument('pointer', 'a bigint', options.pointer);
  const memory = nativeAddon().fromPointer(options.pointer, options.length, dtype as Exclude<Kind, 'f16'>);
  return adoptMemory(memory, options.length, dtype, device, options.owner);
}
