/**
 * Peak memory of the token loss: on the CPU each side in fresh processes that do nothing else.
 *
 * @module
 */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Device } from '../../lib/core/devices.ts';
import { type Labels, type LogitsShape, prepareTokenLoss } from '../cases/token-loss.ts';
import { spreadOf, spreadOfRatios } from '../measure.ts';
import type { Goal, PeerFigures } from '../results.ts';
import { tokenLossTitle, torchTokenLoss } from './comparisons.ts';
import type { PlannedRow, RowHead } from './planned-row.ts';
import { TorchError, TorchPeer } from './torch-process.ts';

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
 * before, which the goal is for; and all that the process takes.
 */
export function memoryRows(
  labels: Labels,
  shape: LogitsShape,
  python: string,
  threads: number,
  goal: Goal,
): PlannedRow[] {
  let measured: Promise<Uses> | undefined;
  const uses = () => {
    measured ??= measure(labels, shape, python, threads);
    return measured;
  };
  return [
    {
      head: { ...head('Peak memory of the loss', labels, shape), goal },
      measure: async () => figures(await uses(), takenByLoss),
    },
    {
      head: head('Peak memory of the whole process', labels, shape),
      measure: async () => figures(await uses(), ({ peak }) => peak),
    },
  ];
}

/**
 * Memory of a device that the loss takes, logits included: of ours what the device lacks while our process has it, as
 * PyTorch's process sees it, of theirs what PyTorch has allocated at the highest. Nothing else may use the device.
 */
export function deviceMemoryRow(
  labels: Labels,
  shape: LogitsShape,
  torch: TorchPeer,
  device: Device,
  goal: Goal,
): PlannedRow {
  return {
    head: { ...head('Peak device memory of the loss', labels, shape), goal },
    measure: async () => {
      const ours = await ourDeviceMemory(labels, shape, torch, device);
      const theirs = await theirMemory(torch, labels, shape);
      return figures({ ours: [ours], theirs: [theirs] }, takenByLoss);
    },
  };
}

interface Uses {
  readonly ours: readonly MemoryUse[];
  readonly theirs: readonly MemoryUse[];
}

function head(title: string, labels: Labels, { rows, vocabulary }: LogitsShape): RowHead {
  return {
    subject: 'The token loss',
    ours: `${title}${labels === 'sampled' ? ', labels sampled' : ''}, ${rows} x ${vocabulary}`,
    theirs: tokenLossTitle(labels),
    unit: 'bytes',
  };
}

async function measure(labels: Labels, shape: LogitsShape, python: string, threads: number): Promise<Uses> {
  const ours: MemoryUse[] = [];
  const theirs: MemoryUse[] = [];
  for (let i = 0; i < processes; i++) {
    ours.push(await ourMemory(labels, shape, threads));
    const torch = new TorchPeer(python, { threads });
    try {
      theirs.push(await theirMemory(torch, labels, shape));
    } finally {
      await torch.stop();
    }
  }
  return { ours, theirs };
}

function takenByLoss({ before, peak }: MemoryUse): number {
  return peak - before;
}

function figures({ ours, theirs }: Uses, bytesOf: (use: MemoryUse) => number): PeerFigures {
  const [our, their] = [ours.map(bytesOf), theirs.map(bytesOf)];
  return { ours: spreadOf(our), theirs: spreadOf(their), ratio: spreadOfRatios(our, their) };
}

async function ourMemory(labels: Labels, { rows, vocabulary }: LogitsShape, threads: number): Promise<MemoryUse> {
  const words = [labels, rows, vocabulary, threads, calls].map(String);
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, worker, ...words]);
  return JSON.parse(stdout) as MemoryUse;
}

async function ourDeviceMemory(
  labels: Labels,
  shape: LogitsShape,
  torch: TorchPeer,
  device: Device,
): Promise<MemoryUse> {
  const before = await takenAfterLosses(labels, fewLogits, torch, device);
  return { before, peak: await takenAfterLosses(labels, shape, torch, device) };
}

/** Of the device, while logits and whatever else the losses needed are still there. */
async function takenAfterLosses(labels: Labels, shape: LogitsShape, torch: TorchPeer, device: Device): Promise<number> {
  const prepared = await prepareTokenLoss(labels, shape, false, device);
  try {
    for (let i = 0; i < calls; i++) await prepared.run();
    const { takenOfDevice } = await torch.memory();
    if (takenOfDevice === undefined) throw new TorchError('it does not tell what is taken of the device');
    return takenOfDevice;
  } finally {
    await prepared.release();
  }
}

async function theirMemory(torch: TorchPeer, labels: Labels, shape: LogitsShape): Promise<MemoryUse> {
  const first = await torch.prepare(torchTokenLoss(labels, fewLogits, false));
  await first.run(calls); // whatever it makes once is there from now on
  await torch.release();
  const { resident: before } = await torch.memory();
  const running = await torch.prepare(torchTokenLoss(labels, shape, false));
  await running.run(calls);
  const { peak } = await torch.memory();
  await torch.release();
  return { before, peak };
}
