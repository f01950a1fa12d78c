/**
 * Listeners for one kind of what a run tells.
 *
 * @module
 */

import type { RunEvent, RunPhase } from '../../lib/unlearn/index.ts';

export const onPhase = (call: (phase: RunPhase) => unknown) => (event: RunEvent) => {
  if (event.kind === 'phase') call(event.phase);
};

export const onNote = (call: (note: string) => unknown) => (event: RunEvent) => {
  if (event.kind === 'note') call(event.text);
};
