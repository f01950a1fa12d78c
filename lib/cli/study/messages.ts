/**
 * What a command and its worker processes tell each other; bigints and all go through a structured clone.
 *
 * @module
 */

import type { Device } from '../../core/devices.ts';
import { SoulError, type SoulErrorCode } from '../../core/errors.ts';
import type { Study } from '../../study/definition/study.ts';
import type { Part } from '../../study/search/tasks.ts';
import type { StudyEvent } from '../../study/worlds/events.ts';

/** The work of a worker. */
export interface WorkerTask {
  readonly study: Study;
  readonly folder: string;
  readonly part?: Part;
  readonly device: Device;
}

export type ToWorker = { readonly kind: 'work'; readonly task: WorkerTask } | { readonly kind: 'stop' };

/** An error, as far as it can be sent. */
export interface SentError {
  readonly code?: SoulErrorCode;
  readonly message: string;
  readonly details: Record<string, unknown>;
}

export type FromWorker =
  | { readonly kind: 'event'; readonly event: StudyEvent }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: SentError };

export function sentError(error: unknown): SentError {
  if (!(error instanceof SoulError)) {
    return { message: error instanceof Error ? (error.stack ?? error.message) : String(error), details: {} };
  }
  const { code, message, details } = error;
  // What JSON cannot hold says nothing to people.
  return {
    code,
    message,
    details: JSON.parse(JSON.stringify(details, (_, value) => (typeof value === 'bigint' ? String(value) : value))),
  };
}

export function receivedError({ code, message, details }: SentError): Error {
  return code === undefined ? new Error(message) : new SoulError(code, message, details);
}
