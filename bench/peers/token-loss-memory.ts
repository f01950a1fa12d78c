/**
 * Peak memory of the token loss, each side in fresh processes that do nothing else.
 *
 * @module
 */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Labels, LogitsShape } from '../cases/token-loss.ts';
import { spreadOf } from '../measure.ts';
import type { Bar, PeerFigures } from '../results.ts';
import { tokenLossTitle, torchTokenLoss } from './comparisons.ts';
import type { PlannedRow, RowHead } from './planned-row.ts';
import { TorchProcess } from './torch-process.ts';

/** Bytes that are resident in a process. */
export interface MemoryUse {
  /** With its libraries at work, after a loss over very few logits. */
  before: number;
  /** At the highest, during the losses that count. */
  peak: number;
}

/** So few logits that only libraries take memory. */
export const fewLogits: LogitsShape = { rows: 2, vocabulary: 16 };

const processes = 3;
const calls = 3;
const worker = fileURLToPath(new URL('token-loss-process.ts', import.meta.url));

/**
 * Two rows from the same processes: what the loss takes, logits included, beyond what interpreter and libraries took
 * before, which the bar is for; and all that the process takes.
 */
export function memoryRows(
  labels: Labels,
  shape: LogitsShape,
  python: string,
  threads: number,
  bar: Bar,
): PlannedRow[] {
  const head = (title: string): RowHead => ({
    subject: 'The token loss',
    ours: `${title}${labels === 'sampled' ? ', labels sampled' : ''}, ${shape.rows} x ${shape.vocabulary}`,
    theirs: tokenLossTitle(labels),
    unit: 'bytes',
  });
  let measured: Promise<Uses> | undefined;
  const uses = () => {
    measured ??= measure(labels, shape, python, threads);
    return measured;
  };
  return [
    {
      head: { ...head('Peak memory of the loss'), bar },
      measure: async () => figures(await uses(), ({ before, peak }) => peak - before),
    },
    { head: head('Peak memory of the whole process'), measure: async () => figures(await uses(), ({ peak }) => peak) },
  ];
}

interface Uses {
  readonly ours: readonly MemoryUse[];
  readonly theirs: readonly MemoryUse[];
}

async function measure(labels: Labels, shape: LogitsShape, python: string, threads: number): Promise<Uses> {
  const ours: MemoryUse[] = [];
  const theirs: MemoryUse[] = [];
  for (let i = 0; i < processes; i++) {
    ours.push(await ourMemory(labels, shape, threads));
    theirs.push(await theirMemory(labels, shape, python, threads));
  }
  return { ours, theirs };
}

function figures({ ours, theirs }: Uses, bytesOf: (use: MemoryUse) => number): PeerFigures {
  const [our, their] = [ours.map(bytesOf), theirs.map(bytesOf)];
  return {
    ours: spreadOf(our),
    theirs: spreadOf(their),
    ratio: spreadOf(our.map((bytes, index) => bytes / their[index]!)),
  };
}

async function ourMemory(labels: Labels, { rows, vocabulary }: LogitsShape, threads: number): Promise<MemoryUse> {
  const words = [labels, rows, vocabulary, threads, calls].map(String);
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, worker, ...words]);
  return JSON.parse(stdout) as MemoryUse;
}

async function theirMemory(labels: Labels, shape: LogitsShape, python: string, threads: number): Promise<MemoryUse> {
  const torch = await TorchProcess.start(python, threads);
  try {
    await torch.prepare(torchTokenLoss(labels, fewLogits, false));
    await torch.release();
    const { resident: before } = await torch.memory();
    await torch.prepare(torchTokenLoss(labels, shape, false));
    await torch.run(calls);
    return { before, peak: (await torch.memory()).peak };
  } finally {
    await torch.stop();
  }
}
