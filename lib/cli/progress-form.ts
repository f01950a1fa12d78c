/**
 * What progress is shown by, whatever its form.
 *
 * @module
 */

export interface Progress {
  /** Something begins that may take long; it is shown under this name until the next begins. */
  phase(name: string): void;
  /** A part of the present phase, which is shown under its own name as soon as some of it is done. */
  part(name: string): void;
  /** Work done so far of something within the present phase, which goes on behind it. */
  aside(name: string, done: number, total: number): void;
  /** Work done so far of the present phase, and figures beside it, the most important ones first. */
  update(done: number, total: number, figures?: readonly string[]): void;
  /** A line that stays. */
  log(line: string): void;
  /** A line that stays, whatever is shown: what the user should know. */
  warn(line: string): void;
  /** As {@link Progress.warn}, named a note. */
  note(text: string): void;
  /** Ends the present phase; an update after it begins one under the first label. */
  end(): void;
  /** Where progress is for machines, tells what happened as it is, in place of all the others. */
  readonly tell?: (event: ToldEvent) => void;
}

/** What machines are told: an object with its `kind`. */
export interface ToldEvent {
  readonly kind: string;
  readonly [name: string]: unknown;
}

export const progressKinds = ['none', 'bar', 'lines', 'json'] as const;

export type ProgressKind = (typeof progressKinds)[number];

export function noteLine(text: string): string {
  return `note: ${text}`;
}
