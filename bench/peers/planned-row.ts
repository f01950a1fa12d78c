/**
 * Rows before they are measured.
 *
 * @module
 */

import type { PeerFigures, PeerRow } from '../results.ts';
import { TorchError } from './torch-process.ts';

/** What a row says whether it could be measured or not. */
export type RowHead = Omit<PeerRow, 'measured' | 'missing'>;

export interface PlannedRow {
  readonly head: RowHead;
  /** Seconds, where it may take long. */
  readonly mayTake?: number;
  measure(): Promise<PeerFigures>;
}

/** Whether all of the words, in any case, stand in what the row compares. */
export function hasWords(words: string, { ours, theirs = '' }: RowHead): boolean {
  const names = `${ours} ${theirs}`.toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => names.includes(word));
}

/**
 * Measures a row. What fails becomes the reason why the row has no figures, so that the others still get theirs; a
 * failure that is not PyTorch's own makes the process end with exit code 1.
 */
export async function measureRow({ head, measure }: PlannedRow, log: (line: string) => void): Promise<PeerRow> {
  try {
    return { ...head, measured: await measure() };
  } catch (error) {
    const missing = error instanceof Error ? error.message : String(error);
    log(`not measured: ${head.ours}, ${head.theirs ?? 'alone'}: ${missing}`);
    if (!(error instanceof TorchError)) process.exitCode = 1;
    return { ...head, missing };
  }
}
