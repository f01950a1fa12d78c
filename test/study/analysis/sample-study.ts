/**
 * A study without a model, and trials of it whose figures are known beforehand.
 */

import type { Study } from '../../../lib/study/definition/study.ts';
import { adamw } from '../../../lib/study/optimizers/first-order.ts';
import { gnb10 } from '../../../lib/study/optimizers/gauss-newton.ts';
import { tasksOf } from '../../../lib/study/search/tasks.ts';
import type { PathPoint, TrialRecord, TrialTask } from '../../../lib/study/trial/record.ts';

/** One row: GradDiff on one model and split, AdamW and GNB 10 %, two trials, three draws. */
export function sampleStudy(changes: Partial<Study> = {}): Study {
  return {
    name: 'sample',
    title: 'A sample',
    seed: 7n,
    models: [{ name: 'small', model: 'models/small', retrained: 'models/retrained' }],
    splits: [{ name: 'authors', forget: ['forget.jsonl'], retain: ['retain.jsonl'] }],
    methods: [{ name: 'graddiff', settings: { forgetCoefficient: 1, retainCoefficient: 5, retainLoss: 'ce' } }],
    optimizers: [adamw, gnb10],
    trials: 2,
    draws: 3,
    search: { learningRate: [0.5, 2], retainCoefficient: [0.2, 5], clippedFraction: [0.01, 0.5] },
    training: { epochs: 5, batchSize: 8, maximumLength: 512 },
    evaluation: { points: 1, forget: 40, retain: 40, utility: 20, tofu: 0, attacks: ['relearn', 'nf4'] },
    dtype: 'f32',
    threads: 1,
    ...changes,
  };
}

/** At the start both sets have these probabilities in both halves; the retrained model does not know the forget set. */
export const start = { forget: 0.9, retain: 0.8 };
export const retrainedLevels = { forget: 0.1, retain: 0.8 };
/** Steps of every trial. */
export const steps = 10;

export interface SampleEnd {
  readonly forget: number;
  readonly retain: number;
}

/** A trial that goes in one straight line from the start to an end. */
export function sampleRecord(
  task: TrialTask,
  end: { readonly validation: SampleEnd; readonly test: SampleEnd },
  changes: Partial<TrialRecord> = {},
): TrialRecord {
  const first: PathPoint = { step: 0, epoch: 0, validation: start, test: start };
  return {
    ...task,
    version: 1,
    study: 'a'.repeat(64),
    outcome: 'done',
    optimizerSettings: { optimizer: 'adamw', learningRate: 1e-4, weightDecay: 0.01 },
    methodSettings: { algorithm: 'graddiff', retainCoefficient: task.searched.retainCoefficient },
    steps,
    path: [first, { step: steps, epoch: 5, ...end }],
    retrained: { validation: retrainedLevels, test: retrainedLevels },
    utility: { facts: { before: 0.4, after: 0.3 }, authors: { before: 0.5, after: 0.5 } },
    attacks: {
      relearn: { forget: both(0.6), retain: both(0.5) },
      nf4: { forget: both(0.5), retain: both(0.5) },
    },
    retrainedAttacks: {
      relearn: { forget: both(0.2), retain: both(0.8) },
      nf4: { forget: both(0.1), retain: both(0.8) },
    },
    moved: 0.9,
    distance: 1.5,
    cost: { seconds: 20, processorSeconds: 30, estimateShare: 0.25, peakMemory: 2 ** 30, wholeSeconds: 40 },
    made: { package: 'soul-unlearn 0.1.0', weights: 135e6, ended: '2026-01-02T03:04:05.678Z' },
    ...changes,
  };
}

/** A trial that diverged after its first point. */
export function divergedRecord(task: TrialTask): TrialRecord {
  const { path, attacks: _, utility: __, ...record } = sampleRecord(task, { validation: start, test: start });
  return {
    ...record,
    path: path.slice(0, 1),
    outcome: 'diverged',
    reason: 'the loss was not finite (after step 1)',
    steps: 1,
  };
}

/** All trials of a study, each with the end that a function gives to both halves; undefined: it diverged. */
export function sampleRecords(study: Study, endOf: (task: TrialTask) => SampleEnd | undefined): TrialRecord[] {
  return tasksOf(study).map((task) => {
    const end = endOf(task);
    return end === undefined ? divergedRecord(task) : sampleRecord(task, { validation: end, test: end });
  });
}

function both(value: number) {
  return { validation: value, test: value };
}
