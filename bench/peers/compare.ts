/**
 * Measures ours and another in turn.
 *
 * @module
 */

import { type KernelCase, kernelContestant, limitContestant, type Prepared } from '../cases/case.ts';
import { collectGarbage } from '../cases/memory.ts';
import { alternate, type Contestant, median } from '../measure.ts';
import type { PeerFigures } from '../results.ts';
import type { Comparison } from './comparisons.ts';
import type { PlannedRow } from './planned-row.ts';
import type { TorchCase, TorchPeer } from './torch-process.ts';

/** Calls of one turn; the turn's time is their median. */
export const callsPerTurn = 3;
/** Long enough for the threads of either side to fall asleep. */
const pauseMilliseconds = 30;

/** @param size weights of each optimizer */
export function comparisonRow(comparison: Comparison, torch: TorchPeer, size: number, seconds: number): PlannedRow {
  const { subject, title, ours, other, bar } = comparison;
  return {
    head: {
      subject,
      ours: title,
      theirs: other.kind === 'limit' ? 'the same bytes in the same pattern' : other.title,
      unit: 'ns',
      bytesPerElement: ours.bytesPerElement,
      ...(bar ? { bar } : {}),
    },
    measure: () => compare(comparison, torch, size, seconds),
  };
}

async function compare(
  { ours, other }: Comparison,
  torch: TorchPeer,
  size: number,
  seconds: number,
): Promise<PeerFigures> {
  // A turn is as long as the median of its calls.
  const time = { seconds: seconds / callsPerTurn };
  const held: Prepared[] = [];
  const prepare = async (kernelCase: KernelCase) => {
    const prepared = await kernelCase.prepare(size);
    held.push(prepared);
    return prepared;
  };
  try {
    await collectGarbage();
    const prepared = await prepare(ours);
    const our = severalCalls(kernelContestant(prepared));
    if (other.kind === 'limit') {
      const limit = severalCalls(limitContestant(prepared));
      const { first, second, ratio } = await alternate(limit, our, time);
      return { ours: second, theirs: first, ratio };
    }
    const their =
      other.kind === 'torch'
        ? await torchContestant(torch, other.torchCase)
        : severalCalls(kernelContestant(await prepare(other.other)));
    const { first, second, ratio } = await alternate(our, their, { ...time, pauseMilliseconds });
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
