/**
 * ArrayBuffers that JavaScript may take away while native code uses them.
 *
 * @module
 */

import { markAsUntransferable } from 'node:worker_threads';
import { invalidArgument, SoulError } from './errors.ts';

/** Keeps JavaScript from taking the memory away from under native threads. */
export function pin(buffer: ArrayBuffer): void {
  const names = ['transfer', 'transferToFixedLength'].filter((name) => !Object.hasOwn(buffer, name));
  if (names.length > 0 && !Object.isExtensible(buffer)) {
    throw invalidArgument('array', 'on an ArrayBuffer that can be pinned', 'on one that is frozen or sealed');
  }
  markAsUntransferable(buffer);
  for (const name of names) {
    Object.defineProperty(buffer, name, {
      value: () => {
        throw new SoulError(
          'SOUL_INVALID_ARGUMENT',
          `ArrayBuffer.${name}: a FlatBuffer uses this memory; copy it instead, for instance with slice()`,
        );
      },
    });
  }
}

/** The error for memory that is gone. */
export function detached(argument: string): SoulError {
  return new SoulError(
    'SOUL_DETACHED',
    `the memory behind ${argument} was detached or moved since it was wrapped; keep its ArrayBuffer where it is`,
    { argument },
  );
}
