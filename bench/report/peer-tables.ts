/**
 * Tables of ours beside PyTorch's.
 *
 * @module
 */

import { type PeerRow, verdict } from '../results.ts';
import { bound, quantity, ratio } from './figures.ts';
import type { Table } from './table.ts';

/** A row for every comparison: bytes that ours moves, the medians, the ratio of pairs, the goal where there is one. */
export function peerTable(rows: readonly PeerRow[]): Table {
  return {
    header: ['ours', 'beside', 'bytes each', 'ours takes', 'it takes', 'ratio (quartiles)', 'goal', 'met'],
    rows: rows.map((row) => [
      row.ours,
      row.theirs ?? '-',
      row.bytesPerElement === undefined ? '-' : String(row.bytesPerElement),
      ...figures(row),
      ...barCells(row),
    ]),
  };
}

/** Only the rows that have a goal, for a reader in a hurry. */
export function shortTable(rows: readonly PeerRow[]): Table {
  return {
    header: ['ours', 'beside', 'figure', 'goal', 'met'],
    rows: rows
      .filter(({ goal }) => goal !== undefined)
      .map((row) => [row.ours, row.theirs ?? '-', barFigure(row), ...barCells(row)]),
  };
}

function barFigure(row: PeerRow): string {
  const reached = verdict(row);
  if (!reached) return '-';
  return row.theirs === undefined ? quantity(reached.figure, row.unit) : reached.figure.toFixed(3);
}

function figures({ measured, missing, unit }: PeerRow): [string, string, string] {
  if (!measured) return ['-', '-', `not measured: ${missing ?? 'unknown'}`];
  const { ours, theirs, ratio: pairs } = measured;
  return [quantity(ours.median, unit), theirs ? quantity(theirs.median, unit) : '-', pairs ? ratio(pairs) : '-'];
}

function barCells(row: PeerRow): [string, string] {
  const reached = verdict(row);
  if (!row.goal) return ['', ''];
  return [
    bound(row.goal, row.theirs === undefined ? row.unit : undefined),
    reached ? (reached.met ? 'yes' : 'no') : '-',
  ];
}
