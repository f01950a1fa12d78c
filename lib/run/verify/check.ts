/**
 * One thing that is looked at when a finished folder is checked.
 *
 * @module
 */

import { printable } from '../../core/errors.ts';

/** What a check is about. */
export type CheckSubject = 'record' | 'outputs' | 'inputs' | 'settings' | 'signature' | 'items' | 'requirement';

export interface Check {
  readonly subject: CheckSubject;
  /** `unknown`: it could not be looked at, which is no failure. */
  readonly outcome: 'passed' | 'failed' | 'unknown';
  /** What was looked at, and what came of it, in a line; where it failed, what was expected and what was found. */
  readonly text: string;
}

/** Makes checks of one subject; what does not print, as a record may have it, stands in their texts as escapes. */
export function checksOf(subject: CheckSubject) {
  const make = (outcome: Check['outcome']) => (text: string) => ({ subject, outcome, text: printable(text) });
  return {
    passed: make('passed'),
    failed: make('failed'),
    unknown: make('unknown'),
    /** The failures, or, where there are none, that all is well. */
    unlessFailed: (failures: readonly string[], text: string): Check[] =>
      failures.length > 0 ? failures.map(make('failed')) : [make('passed')(text)],
  };
}
