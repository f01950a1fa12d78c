/**
 * run.json: what went into a run and what came out, the record that a deletion request needs.
 *
 * @module
 */

import { cpus } from 'node:os';
import { basename } from 'node:path';
import type { Device, DeviceRecord } from '../core/devices.ts';
import { packageVersion } from '../core/package.ts';
import type { EncodedExample } from '../data/encode.ts';
import type { Example } from '../data/example.ts';
import type { DataFile } from '../data/read-examples.ts';
import type { TrainingSummary } from '../unlearn/loop.ts';
import type { Method } from '../unlearn/methods.ts';
import { modelChecksums } from './checksums.ts';
import type { PeakMemory } from './peak-memory.ts';
import type { CompleteRunSettings } from './settings.ts';

/** A data file and its examples as tokens. */
export interface EncodedFile extends DataFile<Example> {
  readonly encoded: EncodedExample[];
}

/** The data of a run. */
export interface RunSets {
  readonly target: EncodedFile;
  readonly retain?: EncodedFile;
}

/** Probability of the answers of one set before and after a run. */
export interface BeforeAndAfter {
  examples: number;
  before: number;
  after: number;
}

export interface RunResult {
  /** The folder that was made. */
  out: string;
  summary: TrainingSummary;
  evaluation?: { target: BeforeAndAfter; retain?: BeforeAndAfter };
  /**
   * Bytes of the process's resident memory at the highest, of the run alone on Linux; the host's memory, where what lies on a
   * GPU does not count.
   */
  peakMemory: number;
  /** What the run came to, in a sentence, and what to do where that is not what was wanted. */
  verdict?: { sentence: string; advice?: string };
}

export interface RunRecordParts {
  startedAt: Date;
  settings: CompleteRunSettings;
  method: Method;
  /** On which the model and the optimizer lay. */
  device: Device;
  /** What that is, where it is a GPU. */
  gpu: DeviceRecord | undefined;
  /** Of the model's files as they were before it was loaded. */
  modelSums: Record<string, string>;
  sets: RunSets;
  refusals: DataFile<string> | undefined;
  /** Where the new model lies at present. */
  modelFolder: string;
  result: RunResult;
  meter: PeakMemory;
}

/** Every setting with its defaults, seeds, versions, SHA-256 of model and data, and the figures. */
export async function runRecord(parts: RunRecordParts): Promise<object> {
  const { settings, method, device, gpu, sets, refusals, result } = parts;
  const { last, ...totals } = result.summary;
  return {
    package: { name: 'soul-unlearn', version: packageVersion },
    startedAt: parts.startedAt.toISOString(),
    finishedAt: new Date().toISOString(),
    settings: { ...settings, methodOptions: methodSettings(method) },
    inputs: {
      model: { folder: basename(settings.model), sha256: parts.modelSums },
      target: dataRecord(sets.target),
      ...(sets.retain ? { retain: dataRecord(sets.retain) } : {}),
      ...(refusals ? { refusals: fileRecord(refusals) } : {}),
    },
    outputs: { model: { sha256: await modelChecksums(parts.modelFolder) } },
    environment: {
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      processor: cpus()[0]?.model.trim() ?? 'unknown',
      cores: cpus().length,
      device,
      ...(gpu ? { gpu } : {}),
    },
    results: {
      ...totals,
      losses: last.losses,
      statistics: last.statistics,
      ...(result.evaluation ? { evaluation: result.evaluation } : {}),
      peakMemory: result.peakMemory,
      peakMemoryScope: parts.meter.scope,
    },
  };
}

function methodSettings({ target, retain, options }: Method): object {
  return {
    forgetCoefficient: target.coefficient,
    answers: target.answers,
    ...(retain ? { retainCoefficient: retain.coefficient } : {}),
    ...options,
  };
}

function dataRecord(set: EncodedFile): object {
  return { ...fileRecord(set), truncated: set.encoded.filter(({ truncated }) => truncated > 0).length };
}

function fileRecord({ file, sha256, items }: DataFile<unknown>): object {
  return { file: basename(file), sha256, items: items.length };
}
