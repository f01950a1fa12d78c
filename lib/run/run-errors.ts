/**
 * Errors of whole runs: those that leave a finished model, and a model that takes less than the data have.
 *
 * @module
 */

import { asSoulError, SoulError } from '../core/errors.ts';
import type { RunSets } from './data-sets.ts';

/** A model may take less than its config.json says. */
export function checkLengths({ target, retain, heldOut, modelLimit }: RunSets, maximumLength: number): void {
  if (modelLimit !== undefined && modelLimit <= maximumLength) return;
  for (const { file, encoded } of [target, ...(retain ? [retain] : []), ...Object.values(heldOut)]) {
    const longest = Math.max(...encoded.map(({ tokens }) => tokens.length));
    if (longest <= maximumLength) continue;
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${file} has an example of ${longest} tokens, but the model takes ${maximumLength}; give that as the longest sequence (--max-length)`,
      { file, longest, maximumLength },
    );
  }
}

const published = Symbol('published');

/** The error of measuring a model that is safe already. */
export function unmeasured(error: unknown, path: string): SoulError {
  const { code, details } = error instanceof SoulError ? error : { code: 'SOUL_INTERNAL' as const, details: {} };
  const message = `the model is written to ${path}, but not measured: ${messageOf(error)}`;
  return Object.assign(new SoulError(code, message, { ...details, out: path }, { cause: error }), {
    [published]: true,
  });
}

/** The error of what came between a finished model and its place. */
export function unpublished(error: unknown, staging: string): SoulError {
  const known = asSoulError(error);
  const { code, details } = known instanceof SoulError ? known : { code: 'SOUL_INTERNAL' as const, details: {} };
  const message = `${messageOf(error)}; the finished model is in ${staging}`;
  return new SoulError(code, message, { ...details, staging }, { cause: error });
}

export function isPublished(error: unknown): boolean {
  return typeof error === 'object' && error !== null && published in error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
