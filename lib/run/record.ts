/**
 * run.json: what went into a run and what came out, the record that a deletion request needs.
 *
 * @module
 */

import { cpus } from 'node:os';
import { basename } from 'node:path';
import { nativeAddon } from '../core/addon.ts';
import type { Device, DeviceRecord } from '../core/devices.ts';
import { errorCodes, SoulError } from '../core/errors.ts';
import { withoutUndefined } from '../core/optional.ts';
import { packageVersion } from '../core/package.ts';
import { usableProcessors } from '../core/processors.ts';
import { withoutValue } from '../data/conditions.ts';
import type { Example } from '../data/example.ts';
import type { ExampleSet } from '../data/example-set.ts';
import type { Overlap } from '../data/overlap.ts';
import type { DataFile } from '../data/read-examples.ts';
import { settingsInFull } from '../unlearn/inner-method.ts';
import type { Method } from '../unlearn/method.ts';
import { initialCoefficient } from '../unlearn/term.ts';
import { outputChecksums } from './checksums.ts';
import type { RunSets } from './data-sets.ts';
import { type Deletion, settingsWithoutTexts } from './deletion.ts';
import type { EvaluationSeries } from './evaluations/evaluation.ts';
import { fileName, itemFormVersion, itemName, itemTexts } from './item-names.ts';
import type { GenerationSummary } from './made-alternatives.ts';
import type { Evaluation, MeasuredSets } from './measure.ts';
import type { PeakMemory } from './peak-memory.ts';
import { adapterRecord, type TrainedAdapter } from './run-adapters.ts';
import type { ChosenAlgorithm } from './run-defaults.ts';
import { checkpointsName } from './run-files.ts';
import type { RunSummary } from './run-summary.ts';
import type { CompleteRunSettings } from './settings.ts';
import type { Traces } from './traces.ts';
import type { Verdict } from './verdict.ts';

export interface RunResult {
  /** The folder that was made. */
  out: string;
  summary: RunSummary;
  evaluation?: Evaluation;
  /** Of runs that are evaluated on the way. */
  evaluations?: EvaluationSeries;
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
  /** The file of the secret key under which the record of a deletion names the items, and what tells it from other keys. */
  itemKey?: { file: string; id: string };
  /** The fingerprint of the public key that the record's signature is checked with, where it was signed. */
  signer?: string;
  /** Of a deletion by adapters: that it can be taken back, and what would make it last. */
  reversible?: string;
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
  /** Of the base's files, where the model's folder held adapters. */
  baseSums: Record<string, string> | undefined;
  /** Of a model with adapters. */
  adapter?: TrainedAdapter;
  /** Of the file that the algorithm came from, where it came from one. */
  algorithmSum: string | undefined;
  sets: RunSets;
  /** How the model made other answers, where it did. */
  generated?: GenerationSummary;
  /** Where the new model lies at present. */
  modelFolder: string;
  result: RunResult;
  /** Of the model before the run, where it was measured. */
  before: MeasuredSets | undefined;
  /** Why the model could not be measured after the run. */
  failure: unknown;
  /** How the run was stopped or gone on with, where it was, and what it left of its checkpoints. */
  ending: Readonly<Record<string, unknown>>;
  meter: PeakMemory;
  /** How a run that deletes names what it deleted. */
  deletion: Deletion | undefined;
  /** {@link RecordSigner.fingerprint} of who will sign. */
  signer: string | undefined;
}

/**
 * Every setting with its defaults, seeds, versions, SHA-256 of model and data, names of what was deleted, and the figures; no text of
 * what was deleted unless the settings ask for it. docs/record.md explains each part.
 *
 * @param traces of a run that deletes
 */
export async function runRecord(parts: RunRecordParts, traces: Traces | undefined): Promise<object> {
  const { settings, chosen, device, gpu, sets, before, failure, result, deletion } = parts;
  const quoting = settings.withText ? undefined : deletion;
  const { last, ...totals } = result.summary;
  return {
    package: { name: 'soul-unlearn', version: packageVersion },
    startedAt: parts.startedAt.toISOString(),
    finishedAt: new Date().toISOString(),
    ...withoutUndefined({ signer: parts.signer }),
    settings: {
      ...settingsWithoutTexts(settings, quoting),
      template: sets.encoding.template.setting,
      method: chosen.algorithm.name,
      methodSettings: settingsInFull(chosen.algorithm, chosen.settings),
    },
    ...(chosen.method ? { coefficients: coefficientsOf(chosen.method) } : {}),
    inputs: {
      model: { folder: basename(settings.model), sha256: parts.modelSums },
      ...(parts.baseSums ? { base: { folder: basename(parts.adapter!.base), sha256: parts.baseSums } } : {}),
      ...(parts.algorithmSum === undefined
        ? {}
        : { algorithm: { file: basename(settings.algorithmFile!), sha256: parts.algorithmSum } }),
      target: { ...setRecord(sets.target, quoting), truncated: sets.target.truncated },
      ...(sets.retain
        ? {
            retain: {
              // The rest of the files to forget is in those files.
              ...setRecord(sets.retain, quoting, settings.retainRest),
              truncated: sets.retain.truncated,
            },
          }
        : {}),
      ...(settings.evaluateData
        ? {
            evaluateData: Object.fromEntries(
              Object.entries(sets.heldOut).map(([name, set]) => [
                name,
                // They may say in other words what is to be forgotten.
                { ...setRecord(set, quoting), truncated: set.truncated },
              ]),
            ),
          }
        : {}),
      template: sets.encoding.template.record,
      ...(sets.refusalFile ? { refusals: fileRecord(sets.refusalFile) } : {}),
      ...(sets.alternatives
        ? {
            alternatives: {
              // Their questions are what is to be forgotten.
              ...setRecord(sets.alternatives.file, quoting),
              ...generationRecord(parts.generated),
            },
          }
        : {}),
      ...(sets.overlap ? { overlap: sets.overlap } : {}),
    },
    ...(parts.adapter
      ? {
          adapter: adapterRecord(
            parts.adapter,
            basename(parts.adapter.base),
            parts.baseSums ?? parts.modelSums,
            deletion !== undefined,
          ),
        }
      : {}),
    ...(deletion ? { deleted: deletionRecord(deletion, sets.target.items, settings.withText) } : {}),
    ...(traces ? { traces } : {}),
    outputs: await outputChecksums(parts.modelFolder, {
      without: settings.keepCheckpoints ? undefined : checkpointsName,
    }),
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
      ...(result.evaluations ? { evaluations: result.evaluations } : {}),
      ...(result.verdict ? { verdict: result.verdict } : {}),
      ...parts.ending,
      ...(failure === undefined ? {} : { before, notMeasuredAfter: failureText(failure, quoting) }),
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

/**
 * One file is named as such; several have a list, in the order of the setting. Either way `items` are those that were used.
 *
 * @param quoting set where texts of what is deleted must not stand: conditions may name it
 * @param isKeyed whether plain hashes of the files would let such texts be guessed
 */
function setRecord({ files, items, filters }: ExampleSet, quoting: Deletion | undefined, isKeyed = true): object {
  const named = files.map(({ file, sha256, items }) => ({
    file: basename(file),
    ...hashRecord(sha256, isKeyed ? quoting : undefined),
    items,
  }));
  const conditions = (texts: readonly string[]) =>
    quoting ? texts.map((text) => withoutValue(text, (value) => quoting.key.nameOf(value))) : texts;
  return {
    ...(named.length === 1 ? named[0] : { files: named }),
    items: items.length,
    ...(filters
      ? { filters: filters.map((filter) => ({ ...filter, conditions: conditions(filter.conditions) })) }
      : {}),
  };
}

/** The items by their names, in the order of the data. */
function deletionRecord({ key }: Deletion, items: readonly Example[], withText: boolean): object {
  return {
    items: items.length,
    naming: { algorithm: 'HMAC-SHA-256', form: itemFormVersion, keyId: key.id },
    names: items.map((example) => itemName(key, example)),
    ...(withText ? { texts: items.map(itemTexts) } : {}),
  };
}

/** Why there are no figures; of a message that might quote an example, the code alone. */
function failureText(failure: unknown, quoting: Deletion | undefined): string {
  if (quoting === undefined) return failure instanceof Error ? failure.message : String(failure);
  const code = failure instanceof SoulError ? failure.code : 'SOUL_INTERNAL';
  return `${code}: ${errorCodes[code]}`;
}

function generationRecord(generated: RunRecordParts['generated']): object {
  if (generated === undefined) return {};
  const { questions, parroted, drawn, request } = generated;
  const sampled = { temperature: 1, questions, withoutDifferent: parroted, drawn };
  return { generated: { ...sampled, request: request ?? 'the question as it is' } };
}

function fileRecord({ file, sha256, items }: DataFile<unknown>): object {
  return { file: basename(file), sha256, items: items.length };
}

function hashRecord(sha256: string, quoting: Deletion | undefined): object {
  return quoting ? { keyedSha256: fileName(quoting.key, sha256) } : { sha256 };
}
