/**
 * What holds for every file: it is read as it says, or refused with a typed error.
 *
 * @module
 */

import { SoulError, type SoulErrorCode } from '../../lib/core/errors.ts';
import type { Draw } from './draw.ts';

/** One kind of file. */
export interface HostileKind {
  readonly name: string;
  /**
   * Makes what all inputs share, in a folder of this kind's own.
   *
   * @returns makes one input, has it read, and checks what comes of it
   */
  prepare(folder: string): Promise<(draw: Draw) => Promise<void>>;
}

/** What a file may be refused with. */
export const refusals: ReadonlySet<SoulErrorCode> = new Set<SoulErrorCode>([
  'SOUL_BAD_FILE',
  'SOUL_BAD_DATA',
  'SOUL_UNSUPPORTED',
  'SOUL_INVALID_ARGUMENT',
  'SOUL_NOT_FOUND',
]);

/** Longer ones would bury what they say. */
export const longestMessage = 2000;

/** What terminals act on, or show as something else. */
const unprintable = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\p{Cs}]/u;

/** What was read is not what the file says. */
export class Misread extends Error {}

export function holds(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Misread(what);
}

/** What is wrong with an error that a file was refused with; undefined where nothing is. */
export function complaint(error: unknown): string | undefined {
  if (!(error instanceof SoulError)) return `${(error as Error)?.stack ?? String(error)}`;
  const { code, message } = error;
  if (!refusals.has(code)) return `${code}: ${message.slice(0, 500)}\n${(error.cause as Error)?.stack ?? error.stack}`;
  if (message.length > longestMessage) return `a message of ${message.length} characters: ${message.slice(0, 500)}`;
  const character = unprintable.exec(message);
  if (character)
    return `a message with ${JSON.stringify(character[0])} in it: ${JSON.stringify(message.slice(0, 500))}`;
  return undefined;
}
