/**
 * How long work hears an AbortSignal.
 *
 * @module
 */

import { invalidArgument, SoulError } from './errors.ts';

/** What work that can be cancelled takes. */
export interface Cancellable {
  /** Once it fires, the work ends at its next pause with SOUL_CANCELLED; the signal's reason is the error's `cause`. */
  signal?: AbortSignal;
}

/**
 * A pause of long work: throws once the signal has fired.
 *
 * @param message what was cancelled, and after how much of it
 * @throws SoulError SOUL_CANCELLED
 */
export function throwIfCancelled(
  signal: AbortSignal | undefined,
  message: string,
  details: Record<string, unknown> = {},
): void {
  if (signal?.aborted) throw new SoulError('SOUL_CANCELLED', message, details, { cause: signal.reason });
}

/** An AbortSignal, or undefined; a controller in its place would never be heard. */
export function checkSignal(argument: string, value: unknown): AbortSignal | undefined {
  const isSignal = typeof value === 'object' && value !== null && 'aborted' in value && 'reason' in value;
  if (value === undefined || isSignal) return value as AbortSignal | undefined;
  throw invalidArgument(argument, 'an AbortSignal, the `signal` of an AbortController', value);
}
