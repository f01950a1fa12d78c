/**
 * Native functions whose errors are {@link SoulError}s.
 *
 * @module
 */

import { errorCodes, SoulError, type SoulErrorCode } from './errors.ts';

type Call = (...words: unknown[]) => unknown;

/**
 * A native module with every function wrapped: native code throws and rejects with a code and a message, callers see
 * {@link SoulError}.
 */
export function typedCalls<T extends object>(native: T): T {
  const entries = Object.entries(native).map(([name, value]) => [
    name,
    typeof value === 'function' ? typedCall(value as Call) : value,
  ]);
  return Object.fromEntries(entries) as T;
}

function typedCall(call: Call): Call {
  return (...words) => {
    let result: unknown;
    try {
      result = call(...words);
    } catch (error) {
      throw typedError(error);
    }
    // A promise of another realm is no instance of this one's.
    if (Object.prototype.toString.call(result) !== '[object Promise]') return result;
    return (result as Promise<unknown>).catch((error: unknown) => {
      throw typedError(error);
    });
  };
}

function typedError(error: unknown): SoulError {
  const { code, message } = error as { code?: string; message?: string };
  const known = code !== undefined && code in errorCodes ? (code as SoulErrorCode) : 'SOUL_INTERNAL';
  return new SoulError(known, message ?? String(error), {}, { cause: error });
}
