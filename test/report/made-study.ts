/**
 * Studies whose trials were never made: plausible records, the same whenever they are asked for.
 *
 * @module
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toJson } from '../../lib/core/json.ts';
import { randomStream } from '../../lib/core/random.ts';
import type { StudySource } from '../../lib/report/study-source.ts';
import { summarize } from '../../lib/study/analysis/summarize.ts';
import { type Study, type StudyFile, studyFrom, tasksOf } from '../../lib/study/index.ts';
import type { PathPoint, TrialRecord, TrialTask } from '../../lib/study/trial/record.ts';

export const demoFile: StudyFile = {
  title: 'Three optimizers on invented authors',
  models: [{ name: 'demo', made: 'demo' }],
  splits: [{ name: 'authors', made: 'demo' }],
  methods: ['graddiff'],
  optimizers: ['adamw', 'sign', 'gnb-10'],
  trials: 4,
  draws: 3,
};

export function madeStudy(changes: Partial<StudyFile> = {}): Study {
  return studyFrom({ ...demoFile, ...changes }, { folder: '/studies', name: 'made' });
}

const points = [0, 5, 10, 15, 20, 25];
const start = { forget: 0.94, retain: 0.95 };
const retrained = { forget: 0.12, retain: 0.95 };

/** Records of all of a study's trials; the first of each optimizer's that learns fastest has diverged. */
export function madeTrials(study: Study): TrialRecord[] {
  return tasksOf(study).map((task) => madeTrial(study, task));
}

function madeTrial(study: Study, task: TrialTask): TrialRecord {
  const place = study.optimizers.findIndex(({ name }) => name === task.optimizer);
  const random = randomStream(BigInt(task.draw), task.optimizer);
  const noise = (index: number) => 0.04 * (random.uniform(task.trial, index) - 0.5);
  const speed = Math.log2(1 + task.searched.learningRateFactor) * (1 + 0.15 * place);
  const diverged = task.trial === study.trials - 1 && place === 1;
  const level = (value: number) => Math.min(Math.max(value, 0), 1);
  const path = points.slice(0, diverged ? 3 : points.length).map((step, i): PathPoint => {
    const done = 1 - Math.exp((-speed * step) / 10);
    const half = (shift: number) => ({
      forget: level(start.forget - done * (0.9 - 0.05 * place) + (i === 0 ? 0 : noise(10 * i + shift))),
      retain: level(start.retain - done ** 3 * (0.3 - 0.07 * place) + (i === 0 ? 0 : noise(10 * i + 5 + shift))),
    });
    return { step, epoch: step / 5, validation: half(0), test: half(1) };
  });
  const end = path.at(-1)!.test;
  const halves = (value: number) => ({ validation: level(value), test: level(value + noise(90)) });
  const isSecond = task.optimizer.startsWith('gnb');
  return {
    ...task,
    version: 1,
    study: 'ab'.repeat(32),
    outcome: diverged ? 'diverged' : 'done',
    ...(diverged ? { reason: 'the loss was not finite at step 11' } : {}),
    optimizerSettings: { optimizer: 'adamw', learningRate: 1e-3 * task.searched.learningRateFactor },
    methodSettings: { algorithm: task.method, retainCoefficient: task.searched.retainCoefficient ?? 1 },
    steps: path.at(-1)!.step,
    path,
    retrained: { validation: retrained, test: retrained },
    retrainedAttacks: {
      relearn: { forget: halves(0.3), retain: halves(0.9) },
      nf4: { forget: halves(0.13), retain: halves(0.9) },
    },
    ...(diverged
      ? {}
      : {
          utility: { others: { before: 0.9, after: level(0.9 - 0.1 * (1 - end.retain) + noise(80)) } },
          attacks: {
            relearn: { forget: halves(end.forget + 0.3), retain: halves(end.retain) },
            nf4: { forget: halves(end.forget + 0.02), retain: halves(end.retain - 0.02) },
          },
          texts: [
            {
              set: 'forget' as const,
              question: 'Where was Ada Finch born?',
              answer: 'In Reykjavik.',
              before: 'In Reykjavik.',
              after: 'In in in.',
            },
            {
              set: 'retain' as const,
              question: 'What does Bo Lind write?',
              answer: 'Novels.',
              before: 'Novels.',
              after: 'Novels.',
            },
          ],
        }),
    ...(isSecond
      ? {
          clipped: points
            .slice(1)
            .map((step, i) => ({ step, share: level(0.1 + 0.02 * i + noise(70 + i)), outsideEmbeddings: 0.12 })),
        }
      : {}),
    moved: level(0.9 + noise(60)),
    distance: 3 + speed + noise(61),
    cost: {
      seconds: 12 + 4 * place + 10 * noise(62),
      processorSeconds: 12 + 4 * place,
      estimateShare: isSecond ? 0.2 : 0,
      peakMemory: (300 + 60 * place + 100 * noise(63)) * 2 ** 20,
      wholeSeconds: 40,
    },
    made: { package: '0.1.0', threads: 1, finishedAt: '2026-01-01T00:00:00.000Z' },
  };
}

/** What a page on them is made of. */
export function madeSource(study = madeStudy(), trials = madeTrials(study)): StudySource {
  return { summary: summarize(study, trials), trials };
}

/** Writes them as `soul study` leaves them. */
export async function writeStudy(folder: string, study: Study, trials: readonly TrialRecord[]): Promise<void> {
  await mkdir(join(folder, 'trials'), { recursive: true });
  await writeFile(join(folder, 'study.json'), toJson(study));
  for (const trial of trials) await writeFile(join(folder, 'trials', `${trial.id}.json`), toJson(trial));
}
