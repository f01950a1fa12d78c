/**
 * A study: its models prepared, its trials done one after another, each by one of the processes that are at it.
 *
 * @module
 */

import { join } from 'node:path';
import { checkSignal, throwIfCancelled } from '../core/cancellation.ts';
import { asSoulError, invalidArgument, SoulError } from '../core/errors.ts';
import { exists, makeFolders, replaceFile } from '../core/files.ts';
import { toJson } from '../core/json.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { Study } from './definition/study.ts';
import { portableStudy } from './portable-study.ts';
import { type Part, partOf, tasksOf } from './search/tasks.ts';
import { trialIdentity } from './search/trial-identity.ts';
import { TrialBench } from './trial/bench.ts';
import type { TrialRecord, TrialTask } from './trial/record.ts';
import { measureReferences, type References, readReferences } from './trial/references.ts';
import { runTrial, type TrialOptions } from './trial/run-trial.ts';
import { TrialStore } from './trial/store.ts';
import type { MakingOptions } from './worlds/make-models.ts';
import { prepareWorld } from './worlds/prepare-world.ts';
import type { StudyPair, StudyWorld } from './worlds/world.ts';

export interface StudyOptions extends MakingOptions, Pick<TrialOptions, 'made'> {
  /** Where models, trials and figures lie; made where it lacks. */
  readonly folder: string;
  /** Default all. */
  readonly part?: Part;
}

/** How far a study, or a part of it, has come. */
export interface StudyProgress {
  readonly done: readonly TrialRecord[];
  /** Trials that are left, of the part. */
  readonly left: readonly TrialTask[];
}

const optionNames = [
  'folder',
  'loadModel',
  'createModel',
  'part',
  'signal',
  'onEvent',
  'made',
] as const satisfies readonly (keyof StudyOptions)[];

/** A pair that is ready for trials. */
export interface PreparedPair {
  readonly world: StudyWorld;
  readonly references: References;
}

/** By the names of model and split, as {@link pairKey} has them. */
export type PreparedPairs = ReadonlyMap<string, PreparedPair>;

/**
 * Does the trials of a study, or of a part of it, in this process: those that are stored in its folder are not done again, and those that
 * another process is at are left to it.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT; of preparing and of {@link runTrial}; SOUL_BAD_FILE for a trial that is damaged, or of other
 *   settings; SOUL_FILE_SYSTEM; SOUL_CANCELLED, with all finished trials kept
 */
export async function runStudy(study: Study, options: StudyOptions): Promise<StudyProgress> {
  const pairs = await prepareStudy(study, options);
  await workOnTrials(study, pairs, options);
  return studyProgress(study, pairs, options);
}

/**
 * Reads the data of all pairs, makes their models and measures them, where that is not done; writes `study.json`, first of all where there is none.
 *
 * @throws SoulError of reading, training and measuring; SOUL_BAD_FILE for a stored trial that is damaged or of other settings
 */
export async function prepareStudy(study: Study, options: StudyOptions): Promise<PreparedPairs> {
  checkOptions(options);
  return onFiles(() => prepare(study, options));
}

async function prepare(study: Study, options: StudyOptions): Promise<PreparedPairs> {
  const { folder } = options;
  const tasks = tasksOf(study);
  if (options.part) partOf(tasks, options.part);
  await makeFolders(folder);
  const file = join(folder, 'study.json');
  const write = () => replaceFile(file, toJson(portableStudy(study, folder)));
  // Who watches sees it while models are made; that of another study stays until its trials are looked at.
  if (!(await exists(file))) await write();
  const pairs = new Map<string, PreparedPair>();
  for (const pair of pairsOf(study)) {
    const prepared = await prepareWorld(study, pair, folder, options, async (world) => ({
      world,
      references: (await readReferences(study, world)) ?? (await measureReferences(study, world, options)),
    })).catch(cancelledInPreparation);
    pairs.set(pairKey(pair.model.name, pair.split.name), prepared);
  }
  await studyProgress(study, pairs, { folder });
  await write();
  return pairs;
}

/** What was cut off there is a training, of which its own words alone would tell. */
function cancelledInPreparation(error: unknown): never {
  if (!(error instanceof SoulError) || error.code !== 'SOUL_CANCELLED') throw error;
  throw new SoulError(
    'SOUL_CANCELLED',
    'the study was cancelled while its models were made; those that are finished are kept, and the same command goes on',
    error.details,
    { cause: error.cause },
  );
}

/**
 * Does the trials that are neither stored nor claimed, in their order, until there is none.
 *
 * @returns how many it did
 * @throws SoulError as {@link runStudy}
 */
export async function workOnTrials(study: Study, pairs: PreparedPairs, options: StudyOptions): Promise<number> {
  return onFiles(() => work(study, pairs, options));
}

async function work(study: Study, pairs: PreparedPairs, options: StudyOptions): Promise<number> {
  const { folder, loadModel, signal, onEvent, made } = options;
  const store = new TrialStore(folder);
  let bench: { readonly key: string; readonly open: TrialBench } | undefined;
  const benchOf = async (key: string): Promise<TrialBench> => {
    if (bench?.key === key) return bench.open;
    await bench?.open.release();
    bench = undefined;
    const { world, references } = pairs.get(key)!;
    const open = await TrialBench.open(study, world, references, loadModel, withoutUndefined({ signal }));
    bench = { key, open };
    return open;
  };
  const doNext = async (task: TrialTask): Promise<boolean> => {
    const claim = await store.claim(task);
    if (claim === undefined) return false;
    try {
      onEvent?.({ kind: 'begin', task });
      const open = await benchOf(pairKey(task.model, task.split));
      const record = await runTrial(open, task, withoutUndefined({ signal, onEvent, made }));
      await store.write(record);
      onEvent?.({ kind: 'trial', record });
      return true;
    } finally {
      await claim.release();
    }
  };
  let done = 0;
  try {
    // What others were at in one round they may have left in the next.
    for (let before = -1; done > before; ) {
      before = done;
      for (const task of tasksOfPart(study, options.part)) {
        throwIfCancelled(
          signal,
          `the study was cancelled before the trial ${task.id}; the same command goes on from there`,
        );
        if (await doNext(task)) done += 1;
      }
    }
  } finally {
    await bench?.open.release();
  }
  return done;
}

/**
 * The trials that are stored, each checked, and those that are left.
 *
 * @throws SoulError SOUL_BAD_FILE for one that is damaged, or of other settings
 */
export async function studyProgress(
  study: Study,
  pairs: PreparedPairs,
  { folder, part }: Pick<StudyOptions, 'folder' | 'part'>,
): Promise<StudyProgress> {
  const store = new TrialStore(folder);
  const done: TrialRecord[] = [];
  const left: TrialTask[] = [];
  for (const task of tasksOfPart(study, part)) {
    const { world } = pairs.get(pairKey(task.model, task.split))!;
    const record = await store.read(task, trialIdentity(study, task, { world: world.from }));
    if (record) done.push(record);
    else left.push(task);
  }
  return { done, left };
}

/** Work whose failures of the file system are told as this package tells them. */
async function onFiles<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw asSoulError(error);
  }
}

export function pairKey(model: string, split: string): string {
  return `${model}.${split}`;
}

function tasksOfPart(study: Study, part: Part | undefined): TrialTask[] {
  const tasks = tasksOf(study);
  return part ? partOf(tasks, part) : tasks;
}

function pairsOf({ models, splits }: Study): StudyPair[] {
  return models.flatMap((model) => splits.map((split) => ({ model, split })));
}

function checkOptions(options: StudyOptions): void {
  checkNames('options', options, optionNames);
  if (typeof options.folder !== 'string') throw invalidArgument('folder', 'the path of a folder', options.folder);
  checkSignal('signal', options.signal);
  for (const name of ['loadModel', 'createModel', 'onEvent'] as const) {
    const value: unknown = options[name];
    const isLeftOut = name === 'onEvent' && value === undefined;
    if (typeof value !== 'function' && !isLeftOut) throw invalidArgument(name, 'a function', value);
  }
}
