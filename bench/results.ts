/**
 * What the benchmarks write and the report reads.
 *
 * @module
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SoulError } from '../lib/core/errors.ts';
import type { StorageName } from './cases/storages.ts';
import type { MachineDescription } from './machine.ts';
import type { Spread } from './measure.ts';

/** Raised when a field changes its meaning; the report reads only its own. */
const format = 1;

interface ResultsHead {
  format: typeof format;
  /** ISO 8601. */
  startedAt: string;
  /** How to repeat it. */
  command: string;
  machine: MachineDescription;
}

/** What kernels are for; those of one subject stand together. */
export type Subject = 'Optimizers' | 'Helpers' | 'The token loss';

/** A kernel beside the memory limit of its own pattern. Times in nanoseconds. */
export interface KernelMeasurement {
  subject: Subject;
  /** As `--kernels` takes it. */
  kernel: string;
  title: string;
  storage: StorageName;
  /** Weights, or logits. */
  elements: number;
  /** Of logits: rows x vocabulary. */
  shape?: string;
  /** That the kernel must move for each element. */
  bytesPerElement: number;
  time: Spread;
  limit: Spread;
  /** Time of the limit over time of the kernel, pair by pair; 1 is the limit. */
  fractionOfLimit: Spread;
  /** On a GPU: what the device's copy takes to move as many bytes. */
  copy?: Spread;
  /** Time of that copy over time of the kernel, pair by pair. */
  fractionOfCopy?: Spread;
  /** Of the fraction of the copy. */
  goal?: Goal;
}

/** A copy between two large buffers of a device, in turn; nanoseconds. */
export interface CopyMeasurement {
  /** Read and written together. */
  bytes: number;
  /** By the addon's plain loop. */
  loop: Spread;
  /** By the driver. */
  driver: Spread;
}

/** One call from JavaScript, in nanoseconds. */
export interface CallMeasurement {
  title: string;
  time: Spread;
  goal?: Goal;
}

export interface KernelResults extends ResultsHead {
  kind: 'kernels';
  /** Of the GPU, where kernels ran on one. */
  copy?: CopyMeasurement;
  kernels: KernelMeasurement[];
  calls: CallMeasurement[];
  /** What was asked for and not measured, and why. */
  leftOut?: string[];
}

/** `'ns'`: nanoseconds; `'bytes'`: resident memory. */
export type Unit = 'ns' | 'bytes';

/** What the project holds itself to. */
export interface Goal {
  /** Of `ratio` where there is one, else of `ours`, in the row's unit. */
  bound: 'at most' | 'at least';
  value: number;
}

export interface PeerFigures {
  ours: Spread;
  theirs?: Spread;
  /** Ours over theirs, pair by pair; against the memory limit theirs over ours, so that 1 is the limit. */
  ratio?: Spread;
}

/** Ours beside something else, measured in turn. */
export interface PeerRow {
  /** Rows of one subject stand together. */
  subject: string;
  ours: string;
  /** What ours was measured against; none: against the goal alone. */
  theirs?: string;
  unit: Unit;
  /** That ours must move for each weight or logit. */
  bytesPerElement?: number;
  measured?: PeerFigures;
  /** Why nothing was measured. */
  missing?: string;
  goal?: Goal;
}

export interface PeerResults extends ResultsHead {
  kind: 'peers';
  /** The peer as it describes itself. */
  peer: PeerDescription;
  /** Weights of every optimizer. */
  elements: number;
  rows: PeerRow[];
  /** Which rows there are none of, and why. */
  leftOut?: string[];
}

export interface PeerDescription {
  torch: string;
  python: string;
  threads: number;
  /** PyTorch's name for the instruction set that it uses. */
  instructionSet: string;
  /** Where that is installed. */
  transformers?: string;
  /** The CUDA version that it was built with, where it ran on a GPU. */
  cuda?: string;
}

export type Results = KernelResults | PeerResults;

/** Subject of the rows that measure what a call costs. */
export const callSubject = 'A call from JavaScript';

/** Subject of the rows that measure whole-model work. */
export const wholeModelSubject = 'A whole model beside transformers';

/** What every file begins with. */
export function resultsHead(startedAt: Date, command: string, machine: MachineDescription): ResultsHead {
  return { format, startedAt: startedAt.toISOString(), command, machine };
}

/** A figure that a goal applies to, and whether the goal was reached. */
export interface Verdict {
  figure: number;
  met: boolean;
}

/** Undefined without a goal or a figure. */
export function verdictOn(goal: Goal | undefined, spread: Spread | undefined): Verdict | undefined {
  if (!goal || !spread) return undefined;
  const figure = spread.median;
  return { figure, met: goal.bound === 'at most' ? figure <= goal.value : figure >= goal.value };
}

export function verdict({ goal, measured }: PeerRow): Verdict | undefined {
  return verdictOn(goal, measured?.ratio ?? measured?.ours);
}

/** Where results lie that the report is made from. */
export const resultsFolder: string = fileURLToPath(new URL('results', import.meta.url));

/**
 * `<processor>-<threads>-threads-<date>-<kind>.json`, or `<gpu>-<kind>.json` where kernels ran on one; in lower case
 * without spaces.
 */
export function resultsFileName({ machine, startedAt, kind }: Results): string {
  const { gpu, processor, instructionSet, threads } = machine;
  const where = gpu ? gpu.name : `${processor} ${instructionSet} ${threads} threads ${startedAt.slice(0, 10)}`;
  const words = `${where} ${kind}`;
  return `${words
    .toLowerCase()
    .replace(/\((r|tm)\)/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')}.json`;
}

/** The results as text; figures to six digits, which is more than they are good for. */
export function formatResults(results: Results): string {
  const shorten = (_: string, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
  return `${JSON.stringify(results, shorten, 2)}\n`;
}

/** Writes results to `path`, by default into {@link resultsFolder}, and returns where they are. */
export function writeResults(results: Results, path = join(resultsFolder, resultsFileName(results))): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, formatResults(results));
  return path;
}

/** Every result in a folder, the newest first; none where there is no folder. */
export function readResults(folder = resultsFolder): Results[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => {
      const path = join(folder, name);
      const results = JSON.parse(readFileSync(path, 'utf8')) as Results;
      if (results.format !== format) {
        throw new SoulError(
          'SOUL_BAD_FILE',
          `${path} has format ${results.format}, expected ${format}; measure again`,
          {
            path,
          },
        );
      }
      return results;
    })
    .toSorted((a, b) => b.startedAt.localeCompare(a.startedAt));
}
