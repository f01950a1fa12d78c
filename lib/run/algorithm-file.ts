/**
 * Mistakes in the file of a user's own algorithm, told with its name.
 *
 * @module
 */

import { basename } from 'node:path';
import { asSoulError, SoulError } from '../core/errors.ts';

/** What went wrong in work of an algorithm from a file; where that is the file's doing, an error that names it. */
export function fileError(file: string | undefined, thrown: unknown): unknown {
  const error = asSoulError(thrown);
  if (file === undefined) return error;
  if (error instanceof SoulError) {
    const { code, message, details } = error;
    if (code !== 'SOUL_INVALID_ARGUMENT' || message.includes(file)) return error;
    return new SoulError(code, `${file}: ${message}${placeText(file, error)}`, { ...details, file }, { cause: error });
  }
  const place = placeText(file, error);
  // Of what the file has no part in, it is not to blame.
  if (error instanceof Error && place === '') return error;
  return new SoulError('SOUL_BAD_FILE', `${file} failed: ${String(error)}${place}`, { file }, { cause: error });
}

/** Does work of an algorithm from a file. */
export function inAlgorithmFile<Result>(file: string | undefined, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw fileError(file, error);
  }
}

/** As {@link inAlgorithmFile}, for what an algorithm says; what its reader throws is not its doing. */
export async function* eventsOfFile<Event, Result>(
  file: string | undefined,
  events: AsyncGenerator<Event, Result, void>,
): AsyncGenerator<Event, Result, void> {
  try {
    return yield* events;
  } catch (error) {
    throw fileError(file, error);
  }
}

/** The place in the file that an error, or its cause, came from. */
function placeText(file: string, error: unknown): string {
  for (let each = error; each instanceof Error; each = each.cause) {
    const at = each.stack?.split('\n').find((line) => /^\s*at /.test(line) && line.includes(`/${basename(file)}:`));
    const place = at && /([^/]+:\d+):\d+\)?$/.exec(at)?.[1];
    if (place) return ` (${place})`;
  }
  return '';
}
