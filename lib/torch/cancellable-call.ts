/**
 * Native calls that hear an AbortSignal while they run.
 *
 * @module
 */

import { checkSignal, throwIfCancelled } from '../core/cancellation.ts';
import { SoulError } from '../core/errors.ts';
import { wantedFor } from '../core/out-of-memory.ts';

/**
 * Makes a call that ends between two layers, or chunks of logits, once the signal fires.
 *
 * @param what the work, for the error
 * @param call given the flag that the native code looks at; undefined without a signal
 * @throws SoulError SOUL_CANCELLED with the signal's reason as `cause`; those of the call, where memory lacks with what it was for
 */
export async function cancellableCall<Result>(
  signal: AbortSignal | undefined,
  what: string,
  call: (cancelled: Int32Array | undefined) => Promise<Result>,
): Promise<Result> {
  checkSignal('signal', signal);
  throwIfCancelled(signal, `${what} was cancelled before it began`);
  const failed = (error: unknown) => wantedFor(what, error);
  if (signal === undefined) {
    return call(undefined).catch((error) => {
      throw failed(error);
    });
  }
  const cancelled = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const cancel = () => void Atomics.store(cancelled, 0, 1);
  signal.addEventListener('abort', cancel, { once: true });
  try {
    return await call(cancelled);
  } catch (error) {
    const heard = signal.aborted && error instanceof SoulError && error.code === 'SOUL_CANCELLED';
    throw heard
      ? new SoulError('SOUL_CANCELLED', `${what} was cancelled`, {}, { cause: signal.reason })
      : failed(error);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}
