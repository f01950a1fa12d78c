/**
 * Measures ours and another in turn.
 *
 * @module
 */

import { kernelContestant, limitContestant } from '../cases/case.ts';
import { collectGarbage } from '../cases/memory.ts';
import { deviceCopy } from '../device-copy.ts';
import { alternate, type Contestant, median } from '../measure.ts';
import { type Place, turnOptions } from '../place.ts';
import type { PeerFigures } from '../results.ts';
import { type Comparison, compiles, type Other } from './comparisons.ts';
import type { PlannedRow } from './planned-row.ts';
import type { TorchCase, TorchPeer } from './torch-process.ts';

/** Calls of one turn; the turn's time is their median. */
export const callsPerTurn = 3;
/** Long enough for the threads of either side to fall asleep. */
export const pauseMilliseconds = 30;

/** That PyTorch may need to compile a case on a GPU. */
const compileSeconds = 30;

/** What rows of comparisons are measured with. */
export interface Sides {
  readonly place: Place;
  readonly torch: TorchPeer;
  /** Weights of each optimizer. */
  readonly size: number;
  /** For each row. */
  readonly seconds: number;
}

export function comparisonRow(comparison: Comparison, sides: Sides): PlannedRow {
  const { subject, title, ours, other, goal } = comparison;
  return {
    head: {
      subject,
      ours: title,
      theirs: titleOf(other),
      unit: 'ns',
      bytesPerElement: ours.bytesPerElement,
      ...(goal ? { goal } : {}),
    },
    ...(compiles(comparison) ? { mayTake: compileSeconds } : {}),
    measure: () => compare(comparison, sides),
  };
}

function titleOf(other: Other): string {
  if (other.kind === 'limit') return 'the same bytes in the same pattern';
  return other.kind === 'copy' ? "the device's copy of as many bytes" : other.title;
}

async function compare({ ours, other }: Comparison, { place, torch, size, seconds }: Sides): Promise<PeerFigures> {
  // A turn is as long as the median of its calls.
  const time = turnOptions(place.device, seconds / callsPerTurn);
  const held: { release(): Promise<void> }[] = [];
  const hold = async <Held extends { release(): Promise<void> }>(prepared: Promise<Held>): Promise<Held> => {
    held.push(await prepared);
    return prepared;
  };
  try {
    await collectGarbage();
    const prepared = await hold(ours.prepare(size, place.device));
    const our = severalCalls(kernelContestant(prepared, place));
    if (other.kind === 'limit' || other.kind === 'copy') {
      const limit =
        other.kind === 'limit'
          ? limitContestant(prepared, place)
          : (await hold(deviceCopy(place, size, time))).contestant(ours.bytesPerElement * size);
      const { first, second, ratio } = await alternate(severalCalls(limit), our, time);
      return { ours: second, theirs: first, ratio };
    }
    const their =
      other.kind === 'torch'
        ? await torchContestant(torch, other.torchCase)
        : severalCalls(kernelContestant(await hold(other.other.prepare(size, place.device)), place));
    // On a device no threads spin, idle, in the other's turn.
    const pauses = place.device === 'cpu' ? { pauseMilliseconds } : {};
    const { first, second, ratio } = await alternate(our, their, { ...time, ...pauses });
    return { ours: first, theirs: second, ratio };
  } finally {
    for (const prepared of held) await prepared.release();
    if (other.kind === 'torch') await torch.release();
  }
}

async function torchContestant(torch: TorchPeer, torchCase: TorchCase): Promise<Contestant> {
  const process = await torch.prepare(torchCase);
  return { turn: async () => median(await process.run(callsPerTurn)) };
}

/** A turn of several calls, as long as the median of them. */
function severalCalls(contestant: Contestant): Contestant {
  return {
    async turn() {
      const times: number[] = [];
      for (let i = 0; i < callsPerTurn; i++) times.push(await contestant.turn());
      return median(times);
    },
  };
}
