/**
 * What a study will take, before it is begun: trials, time and memory, from a short look at each model.
 *
 * @module
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exists } from '../core/files.ts';
import { toJson } from '../core/json.ts';
import { withoutUndefined } from '../core/optional.ts';
import { thenRelease } from '../core/release.ts';
import { passesOf, planMemory } from '../run/memory-plan.ts';
import type { ModelLoader, RunnableModel } from '../run/runnable-model.ts';
import type { Study } from './definition/study.ts';
import { readWorld, worldFiles, writeWorld } from './demo/world.ts';
import { pairKey, type StudyOptions } from './run-study.ts';
import { partOf, tasksOf } from './search/tasks.ts';
import { type TrialSettings, trialSettings } from './search/trial-settings.ts';
import { probe, type Speed, secondsOfTraining, secondsOfTrial } from './speed.ts';
import type { TrialTask } from './trial/record.ts';
import { TrialStore } from './trial/store.ts';
import { completeTraining } from './worlds/make-models.ts';
import { demoSplit, preparedName } from './worlds/prepare-world.ts';
import { readStudySets, type StudySets } from './worlds/read-sets.ts';
import { pairName, type StudyPair } from './worlds/world.ts';

/** What one process at a study takes, and all trials together. */
export interface StudyPlan {
  /** Models x splits x methods x optimizers. */
  readonly cells: number;
  /** Of the study, or of the part. */
  readonly trials: number;
  /** Of those the ones that are stored already. */
  readonly done: number;
  /** Of making and measuring models that are not there yet, in one process. */
  readonly preparingSeconds: number;
  /** Of all trials that are left, in one process after another. */
  readonly trialSeconds: number;
  /** Bytes that a process at its trials takes at most; undefined where the loader cannot say. */
  readonly memory?: number;
}

/**
 * Measures how fast each model is, on a batch or two of its data, and multiplies.
 *
 * @throws SoulError of reading the data and of loading
 */
export async function planStudy(study: Study, options: StudyOptions): Promise<StudyPlan> {
  const all = tasksOf(study);
  const tasks = options.part ? partOf(all, options.part) : all;
  const store = new TrialStore(options.folder);
  const there = new Set(await store.ids());
  const left = tasks.filter(({ id }) => !there.has(id));
  let [preparingSeconds, trialSeconds] = [0, 0];
  let memory: number | undefined;
  for (const model of study.models) {
    for (const split of study.splits) {
      const pair = { model, split };
      const own = left.filter((task) => pairKey(task.model, task.split) === pairName(pair));
      const looked = await lookAt(study, pair, own, options);
      preparingSeconds += looked.preparing;
      trialSeconds += looked.trials;
      if (looked.memory !== undefined) memory = Math.max(memory ?? 0, looked.memory);
    }
  }
  const { models, splits, methods, optimizers } = study;
  return {
    cells: models.length * splits.length * methods.length * optimizers.length,
    trials: tasks.length,
    done: tasks.length - left.length,
    ...{ preparingSeconds, trialSeconds },
    ...withoutUndefined({ memory }),
  };
}

async function lookAt(study: Study, pair: StudyPair, tasks: readonly TrialTask[], options: StudyOptions) {
  const { model, split } = pair;
  const { signal, onEvent, loadModel } = options;
  onEvent?.({ kind: 'phase', phase: `looking how fast ${model.name} is` });
  const cancellable = withoutUndefined({ signal });
  if (!('made' in split)) {
    const folder = 'base' in model ? model.base : 'model' in model ? model.model : '';
    const sets = await readStudySets(study, split, folder, () => {});
    const loaded = await loadModel(folder, cancellable);
    return look(study, pair, tasks, sets, loaded, folder, options);
  }
  const scratch = await mkdtemp(join(tmpdir(), 'soul-study-'));
  try {
    await writeWorld(scratch, study.seed);
    const { config, tokenizer } = await readWorld(scratch);
    const folder = join(scratch, worldFiles.tokenizer);
    await writeFile(join(folder, 'config.json'), toJson(config));
    const sets = await readStudySets(study, demoSplit(split.name, scratch), folder, () => {});
    const made = await options.createModel(config, study.seed, cancellable);
    sets.run.checkTokens(tokenizer.size);
    return await look(study, pair, tasks, sets, made, folder, options);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function look(
  study: Study,
  pair: StudyPair,
  tasks: readonly TrialTask[],
  sets: StudySets,
  model: RunnableModel,
  folder: string,
  { folder: studyFolder, loadModel }: StudyOptions,
) {
  const { target, retain } = sets.run;
  const weights = model.parameters.layout.parameterCount;
  const settingsOf = (task: TrialTask) => trialSettings(study, task, { weights, examples: target.items.length });
  const speed = await thenRelease(
    () => probe(model, [...target.encoded.slice(0, 8), ...retain.encoded.slice(0, 8)]),
    () => [model],
  );
  const trials = tasks.reduce(
    (sum, task) =>
      sum + secondsOfTrial(study, settingsOf(task), { examples: target.items.length, tofu: sets.tofu }, speed),
    0,
  );
  return {
    preparing: await preparingSeconds(study, pair, sets, speed, studyFolder),
    trials,
    memory: await memoryOf(study, tasks.map(settingsOf), sets, folder, loadModel, model),
  };
}

/** Of the models that are not made yet. */
async function preparingSeconds(
  { evaluation }: Study,
  pair: StudyPair,
  { run }: StudySets,
  speed: Speed,
  studyFolder: string,
): Promise<number> {
  const { model } = pair;
  if ('model' in model) return 0;
  const [forget, retain] = [run.target.items.length, run.retain.items.length];
  // The demo's own number.
  const epochs = 'base' in model ? completeTraining(model.training).epochs : 40;
  const measuring = 2 * (evaluation.forget + evaluation.retain) * speed.score;
  let seconds = 0;
  for (const [name, examples] of [
    ['original', forget + retain],
    ['retrained', retain],
  ] as const) {
    if (await exists(join(studyFolder, preparedName, pairName(pair), name))) continue;
    seconds += secondsOfTraining(epochs * examples, speed) + measuring;
  }
  return seconds;
}

/** What takes most of all trials, with the copy of the starting weights that they all go back to. */
async function memoryOf(
  study: Study,
  all: readonly TrialSettings[],
  { run }: StudySets,
  folder: string,
  { memory }: ModelLoader,
  { parameters }: RunnableModel,
): Promise<number | undefined> {
  if (memory === undefined || all.length === 0) return undefined;
  const sequences = [...run.target.encoded, ...run.retain.encoded];
  const kinds = new Map(all.map((each) => [`${each.optimizer} ${each.chosen.algorithm.name}`, each]));
  let most = 0;
  for (const settings of kinds.values()) {
    const { chosen, optimizer, optimizerSettings } = settings;
    const { batchSize, microBatchSize = batchSize } = study.training;
    const limits = { microBatchSize, optimizer, ...withoutUndefined({ curvature: settings.curvature }) };
    const planned = await memory(folder, passesOf(sequences, limits, chosen));
    const { precision } = optimizerSettings;
    // Of the process what is taken now, this model among it.
    const taken = Math.max(0, process.memoryUsage.rss() - 2 * parameters.values.byteLength);
    const plan = planMemory({ ...planned, chosen, optimizer, precision, masked: false, process: taken });
    most = Math.max(most, plan.total + parameters.values.byteLength);
  }
  return most;
}
