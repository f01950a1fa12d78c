/**
 * What attacks came to, printed.
 *
 * @module
 */

import type { AttackReport, AttackResult, MeasuredChange } from '../attack/index.ts';
import { duration, table } from './terminal.ts';

/** As text: a row an attack, then what measures no answers, and the robustness. */
export function attackText({ attacks, robustness }: AttackReport): string {
  const measured = attacks.filter(({ forget }) => forget !== undefined);
  const others = attacks.filter(({ forget }) => forget === undefined);
  const parts: string[] = [];
  if (measured.length > 0) {
    const header = ['attack', 'examples', 'forget before', 'after', 'retain before', 'after', 'steps', '|dW|', 'time'];
    parts.push(table(header, measured.map(rowOf)));
  }
  for (const attack of measured.filter(({ retrained }) => retrained)) {
    const { before, after } = attack.retrained!;
    parts.push(`${nameOf(attack)}, the retrained model: forget ${before.toFixed(4)} before, ${after.toFixed(4)} after`);
  }
  for (const attack of others) {
    const { changed = 0, surviving = 0, share } = attack.details;
    const percent = share === undefined ? 'nothing was changed' : `${(100 * share).toFixed(2)} %`;
    parts.push(`${nameOf(attack)}: ${surviving} of ${changed} changed weights have another level (${percent})`);
  }
  const figures = Object.entries({
    'R (relearning)': robustness.relearning,
    'Q (NF4)': robustness.quantization,
    'HM(R, Q)': robustness.overall,
  }).flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value.toFixed(4)}`]));
  if (figures.length > 0) parts.push(`robustness: ${figures.join(', ')}`);
  return parts.join('\n\n');
}

function nameOf({ kind, variant }: AttackResult): string {
  return variant === undefined ? kind : `${kind} ${variant}`;
}

function rowOf(attack: AttackResult): string[] {
  const { forget, retain, steps, distance, seconds } = attack;
  const pair = (change: MeasuredChange | undefined) =>
    change ? [change.before.toFixed(4), change.after.toFixed(4)] : ['-', '-'];
  return [
    nameOf(attack),
    String(forget!.examples),
    ...pair(forget),
    ...pair(retain),
    String(steps),
    distance === undefined ? '-' : distance.toPrecision(3),
    duration(seconds),
  ];
}
