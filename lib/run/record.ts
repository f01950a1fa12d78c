/**
 * run.json: what went into a run and what came out, the record that a deletion request needs.
 *
 * @module
 */

import { cpus } from 'node:os';
import { basename } from 'node:path';
import { nativeAddon } from '../core/addon.ts';
import type { Device, DeviceRecord } from '../core/devices.ts';
import { withoutUndefined } from '../core/optional.ts';
import { packageVersion } from '../core/package.ts';
import { usableProcessors } from '../core/processors.ts';
import type { Overlap } from '../data/overlap.ts';
import type { DataFile } from '../data/read-examples.ts';
import type { Method } from '../unlearn/method.ts';
import { initialCoefficient } from '../unlearn/term.ts';
import { modelChecksums } from './checksums.ts';
import type { EncodedFile, RunSets } from './data-sets.ts';
import type { Evaluation, MeasuredSets } from './measure.ts';
import type { PeakMemory } from './peak-memory.ts';
import type { ChosenAlgorithm } from './run-defaults.ts';
import type { RunSummary } from './run-summary.ts';
import type { CompleteRunSettings } from './settings.ts';
import type { Verdict } from './verdict.ts';

export interface RunResult {
  /** The folder that was made. */
  out: string;
  summary: RunSummary;
  evaluation?: Evaluation;
  /** Examples of each set that lost tokens at their end: what was cut off was neither trained on nor measured. */
  truncated: { target: number; retain?: number };
  /** What the sets have in common, where there are two. */
  overlap?: Overlap;
  /**
   * Bytes of the process's resident memory at the highest, of the run alone on Linux; the host's memory, where what lies on a
   * GPU does not count.
   */
  peakMemory: number;
  /** What {@link planRun} computed of it before the model was loaded, in bytes: on a GPU, what lies there. */
  plannedMemory?: number;
  /** What a run of unlearning came to, in a sentence, and what to do where that is not what was wanted. */
  verdict?: Verdict;
}

export interface RunRecordParts {
  startedAt: Date;
  settings: CompleteRunSettings;
  chosen: ChosenAlgorithm;
  /** On which the model and the optimizer lay. */
  device: Device;
  /** What that is, where it is a GPU. */
  gpu: DeviceRecord | undefined;
  /** Of the model's files as they were before it was loaded. */
  modelSums: Record<string, string>;
  /** Of the file that the algorithm came from, where it came from one. */
  algorithmSum: string | undefined;
  sets: RunSets;
  /** Where the new model lies at present. */
  modelFolder: string;
  result: RunResult;
  /** Of the model before the run, where it was measured. */
  before: MeasuredSets | undefined;
  /** Why the model could not be measured after the run. */
  failure: string | undefined;
  meter: PeakMemory;
}

/** Every setting with its defaults, seeds, versions, SHA-256 of model and data, and the figures. */
export async function runRecord(parts: RunRecordParts): Promise<object> {
  const { settings, chosen, device, gpu, sets, before, failure, result } = parts;
  const { last, ...totals } = result.summary;
  return {
    package: { name: 'soul-unlearn', version: packageVersion },
    startedAt: parts.startedAt.toISOString(),
    finishedAt: new Date().toISOString(),
    settings: { ...settings, method: chosen.algorithm.name, methodSettings: chosen.settings },
    ...(chosen.method ? { coefficients: coefficientsOf(chosen.method) } : {}),
    inputs: {
      model: { folder: basename(settings.model), sha256: parts.modelSums },
      ...(parts.algorithmSum === undefined
        ? {}
        : { algorithm: { file: basename(settings.algorithmFile!), sha256: parts.algorithmSum } }),
      target: dataRecord(sets.target),
      ...(sets.retain ? { retain: dataRecord(sets.retain) } : {}),
      ...(sets.refusalFile ? { refusals: fileRecord(sets.refusalFile) } : {}),
      ...(sets.alternatives ? { alternatives: fileRecord(sets.alternatives.file) } : {}),
      ...(sets.overlap ? { overlap: sets.overlap } : {}),
    },
    outputs: { model: { sha256: await modelChecksums(parts.modelFolder) } },
    environment: {
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      processor: cpus()[0]?.model.trim() ?? 'unknown',
      cores: cpus().length,
      usableProcessors: usableProcessors(),
      /** Of the optimizer's kernels; the engine's are in the settings of loading. */
      kernelThreads: nativeAddon().machine().threads,
      device,
      ...(gpu ? { gpu } : {}),
    },
    results: {
      ...totals,
      ...(last ? { losses: last.losses, statistics: last.statistics } : {}),
      ...(result.evaluation ? { evaluation: result.evaluation } : {}),
      ...(result.verdict ? { verdict: result.verdict } : {}),
      ...(failure === undefined ? {} : { before, notMeasuredAfter: failure }),
      peakMemory: result.peakMemory,
      ...withoutUndefined({ plannedMemory: result.plannedMemory }),
      peakMemoryScope: parts.meter.scope,
    },
  };
}

/** What each term of a method counted at the beginning. */
function coefficientsOf({ terms }: Method): Record<string, number> {
  return Object.fromEntries(terms.map((term) => [term.name, initialCoefficient(term)]));
}

function dataRecord(set: EncodedFile): object {
  return { ...fileRecord(set), truncated: set.truncated };
}

function fileRecord({ file, sha256, items }: DataFile<unknown>): object {
  return { file: basename(file), sha256, items: items.length };
}
