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
import type { Bar, PeerRow } from '../results.ts';
import { tokenLossTitle, torchTokenLoss } from './comparisons.ts';
import { type ProcessMemory, TorchProcess } from './torch-process.ts';

const processes = 3;
const calls = 3;
const worker = fileURLToPath(new URL('token-loss-process.ts', import.meta.url));

/** A row of the peak of whole processes, Node and Python with their libraries counted in. */
export async function compareMemory(
  labels: Labels,
  shape: LogitsShape,
  python: string,
  threads: number,
  bar?: Bar,
): Promise<PeerRow> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let i = 0; i < processes; i++) {
    ours.push((await ourMemory(labels, shape, threads)).peak);
    theirs.push((await theirMemory(labels, shape, python, threads)).peak);
  }
  return {
    subject: 'The token loss',
    ours: `Peak memory of a process${labels === 'sampled' ? ', labels sampled' : ''}, ${shape.rows} x ${shape.vocabulary}`,
    theirs: tokenLossTitle(labels),
    unit: 'bytes',
    measured: {
      ours: spreadOf(ours),
      theirs: spreadOf(theirs),
      ratio: spreadOf(ours.map((bytes, index) => bytes / theirs[index]!)),
    },
    ...(bar ? { bar } : {}),
  };
}

async function ourMemory(labels: Labels, { rows, vocabulary }: LogitsShape, threads: number): Promise<ProcessMemory> {
  const words = [labels, rows, vocabulary, threads, calls].map(String);
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, worker, ...words]);
  return JSON.parse(stdout) as ProcessMemory;
}

async function theirMemory(
  labels: Labels,
  shape: LogitsShape,
  python: string,
  threads: number,
): Promise<ProcessMemory> {
  const torch = await TorchProcess.start(python, threads);
  try {
    await torch.prepare(torchTokenLoss(labels, shape));
    await torch.run(calls);
    return await torch.memory();
  } finally {
    await torch.stop();
  }
}
