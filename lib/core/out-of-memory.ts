/**
 * Errors of memory that could not be had: how much was wanted, and for what.
 *
 * @module
 */

import { SoulError } from './errors.ts';

/** Bytes in GiB, MiB or KiB: "1.50 GiB", "12 MiB". */
export function gibibytes(bytes: number): string {
  if (bytes < 2 ** 20) return `${Math.ceil(bytes / 2 ** 10)} KiB`;
  return bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(2)} GiB` : `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

/** What `take` returns; where there is not enough memory for it, the error says for what. */
export function takingMemory<Result>(what: string, take: () => Result): Result {
  try {
    return take();
  } catch (error) {
    throw wantedFor(what, error);
  }
}

/** The same error, which where it is one of memory says what that was for and counts bytes as GiB. */
export function wantedFor(what: string, error: unknown): unknown {
  if (!(error instanceof SoulError) || error.code !== 'SOUL_OUT_OF_MEMORY' || error.details.wantedFor !== undefined) {
    return error;
  }
  const said = error.message.replace(/(\d{6,}) bytes/g, (_, bytes) => gibibytes(Number(bytes)));
  return new SoulError(
    'SOUL_OUT_OF_MEMORY',
    `there is not enough memory for ${what}: ${said}`,
    { ...error.details, wantedFor: what },
    { cause: error },
  );
}
