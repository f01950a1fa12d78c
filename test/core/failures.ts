/**
 * What calls fail with.
 *
 * @module
 */

import { expect } from '@jest/globals';
import { SoulError } from '../../lib/index.ts';

/** The code of the SoulError that a call throws. */
export function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(SoulError);
    return (error as SoulError).code;
  }
  return 'no error';
}

/** The code that a promise is rejected with. */
export async function rejectionOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: SoulError) => error.code,
  );
}

/** A value that types would refuse. */
export const anything = (value: unknown) => value as never;
