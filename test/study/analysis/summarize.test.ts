import { describe, expect, test } from '@jest/globals';
import { chooseEqual } from '../../../lib/study/analysis/choose.ts';
import { summarize } from '../../../lib/study/analysis/summarize.ts';
import type { CellSummary, StudySummary } from '../../../lib/study/analysis/summary.ts';
import { tasksOf } from '../../../lib/study/search/tasks.ts';
import type { TrialTask } from '../../../lib/study/trial/record.ts';
import { divergedRecord, sampleRecord, sampleRecords, sampleStudy } from './sample-study.ts';

const study = sampleStudy();
/** What AdamW keeps in each draw; GNB keeps more by as much as `more` says. */
const kept = [0.48, 0.56, 0.64];
const more = [0.08, 0.09, 0.1];
/** The first trial forgets and loses, the second does neither. */
const endOf = ({ optimizer, draw, trial }: TrialTask) =>
  trial === 1
    ? { forget: 0.9, retain: 0.8 }
    : { forget: 0.05, retain: kept[draw]! + (optimizer === 'adamw' ? 0 : more[draw]!) };
const records = sampleRecords(study, endOf);

const cellOf = (summary: StudySummary, optimizer: string): CellSummary =>
  summary.cells.find((cell) => cell.optimizer === optimizer)!;
const differenceOf = (summary: StudySummary, figure: string) =>
  summary.comparisons.find((comparison) => comparison.figure === figure)?.difference;
const scoreFor = (retain: number) => (2 * (retain / 0.8)) / (1 + retain / 0.8);
const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('a study that is done', () => {
  const summary = summarize(study, records);
  const { figures, ...cell } = cellOf(summary, 'adamw');

  test('has a cell for each optimizer, with the trial that the validation half chose in each draw', () => {
    expect(summary).toMatchObject({ done: 12, total: 12 });
    expect(summary.cells.map(({ optimizer }) => optimizer)).toEqual(['adamw', 'gnb-10']);
    expect(cell).toMatchObject({ draws: [0, 1, 2], trials: 6, diverged: 0 });
    expect(cell.chosen[1]).toEqual({
      draw: 1,
      end: 'small.authors.graddiff.adamw.d1.t0',
      equal: 'small.authors.graddiff.adamw.d1.t0',
    });
  });

  test('has the figures that follow from the ends of its trials', () => {
    const means = Object.fromEntries(Object.entries(figures).map(([name, { mean }]) => [name, mean]));
    const share = 0.8 / 0.85;
    const [relearning, quantization] = [0.1 / 0.55, 0.05 / 0.5];
    const expected = {
      score: meanOf(kept.map(scoreFor)),
      forget: 0.05,
      forgetDistance: 0.05,
      retain: 0.56,
      equalRetain: 0.8 + share * (0.56 - 0.8),
      equalForget: 0.1,
      equalStep: 10 * share,
      equalReached: 1,
      utility: 0.875,
      relearn: 0.6,
      relearnRobustness: relearning,
      nf4: 0.5,
      quantizationRobustness: quantization,
      robustness: (2 * relearning * quantization) / (relearning + quantization),
      seconds: 20,
      secondsPerStep: 2,
      processorSeconds: 30,
      peakMemory: 2 ** 30,
      estimateShare: 0.25,
      moved: 0.9,
      distance: 1.5,
    };
    expect(Object.keys(means).sort()).toEqual(Object.keys(expected).sort());
    for (const [name, value] of Object.entries(expected))
      expect([name, means[name]! / value]).toEqual([name, expect.closeTo(1, 10)]);
    expect(figures.retain!.high).toBeCloseTo(0.56 + (4.302652729749464 * 0.08) / Math.sqrt(3), 10);
    expect(figures.equalReached).toEqual({ mean: 1, draws: 3 });
  });

  test('has differences that are paired by draw', () => {
    const retain = differenceOf(summary, 'retain')!;
    expect(retain.mean).toBeCloseTo(0.09, 12);
    // Far narrower than the draws are apart.
    expect(retain.low).toBeCloseTo(0.09 - (4.302652729749464 * 0.01) / Math.sqrt(3), 10);
    expect(retain.draws).toBe(3);
    expect(differenceOf(summary, 'equalReached')).toBeUndefined();
    expect(summary.comparisons.every(({ optimizer, other }) => optimizer === 'gnb-10' && other === 'adamw')).toBe(true);
  });

  test('has the best of n trials, of which all is what was chosen', () => {
    expect(cell.bestOf.map(({ mean }) => mean)).toEqual([
      expect.closeTo(figures.score!.mean / 2, 12),
      expect.closeTo(figures.score!.mean, 12),
    ]);
  });

  test('has the models that trials are compared with', () => {
    const [original, retrained] = summary.references;
    expect(original).toMatchObject({ name: 'original', figures: { forget: 0.9, retain: 0.8, score: 0, utility: 1 } });
    expect(retrained).toMatchObject({
      name: 'retrained',
      figures: { forget: 0.1, retain: 0.8, score: 1, forgetDistance: 0, relearn: 0.2, nf4: 0.1 },
    });
  });

  test('does not depend on the order of the records', () => {
    expect(summarize(study, records.toReversed())).toEqual(summary);
  });
});

test('the test half has no say in what is chosen', () => {
  const turned = records.map((record) => ({
    ...record,
    path: record.path.map((point) => ({
      ...point,
      test: { forget: 1 - point.test.forget, retain: 1 - point.test.retain },
    })),
  }));
  const choices = (summary: StudySummary) => summary.cells.map(({ chosen }) => chosen);
  expect(choices(summarize(study, turned))).toEqual(choices(summarize(study, records)));
});

test('utility is of what the start knew, and what is clipped of what is outside of the embeddings', () => {
  const some = records.map((record) => ({
    ...record,
    utility: { ...record.utility!, noise: { before: 0.0099, after: 0.5 }, known: { before: 0.01, after: 0.005 } },
    clipped: [
      { step: 5, share: 0.9, outsideEmbeddings: 0.2 },
      { step: 10, share: 0.7 },
    ],
  }));
  const { figures } = cellOf(summarize(study, some), 'adamw');
  expect(figures.utility!.mean).toBeCloseTo((0.75 + 1 + 0.5) / 3, 12);
  expect(figures.clipped!.mean).toBeCloseTo((0.2 + 0.7) / 2, 12);
});

describe('trials that diverged', () => {
  test('score 0, count, and are not chosen where another is there', () => {
    const some = sampleRecords(study, (task) => (task.trial === 1 ? endOf({ ...task, trial: 0 }) : undefined));
    const cell = cellOf(summarize(study, some), 'adamw');
    expect(cell).toMatchObject({ trials: 6, diverged: 3 });
    expect(cell.chosen.every(({ end, equal }) => end.endsWith('t1') && equal === end)).toBe(true);
    expect(cell.bestOf[0]!.mean).toBeCloseTo(cell.figures.score!.mean / 2, 12);
  });

  test('leave a score of 0 and no other figure of the end where all did', () => {
    const none = sampleRecords(study, (task) => (task.optimizer === 'adamw' ? undefined : endOf(task)));
    const summary = summarize(study, none);
    const { figures, chosen } = cellOf(summary, 'adamw');
    expect(figures).toEqual({
      score: { mean: 0, low: 0, high: 0, draws: 3 },
      equalReached: { mean: 0, draws: 3 },
    });
    expect(chosen[0]).toEqual({ draw: 0, end: 'small.authors.graddiff.adamw.d0.t0' });
    expect(differenceOf(summary, 'score')!.draws).toBe(3);
    expect(differenceOf(summary, 'retain')).toBeUndefined();
  });

  test('are nowhere at equal forgetting, however far their paths went', () => {
    const broken = records.map((record) =>
      record.trial === 0 ? { ...record, outcome: 'diverged' as const, reason: 'the loss was not finite' } : record,
    );
    for (const { end, equal } of cellOf(summarize(study, broken), 'adamw').chosen) {
      expect([end.slice(-2), equal]).toEqual(['t1', undefined]);
    }
  });

  test('stand behind one that forgot nothing, whose score is 0 too', () => {
    const still = sampleRecords(study, ({ trial }) => (trial === 1 ? { forget: 0.9, retain: 0.8 } : undefined));
    const { chosen, figures } = cellOf(summarize(study, still), 'adamw');
    expect(chosen.every(({ end }) => end.endsWith('t1'))).toBe(true);
    expect(figures.retain!.mean).toBeCloseTo(0.8, 12);
  });
});

describe('ties', () => {
  test('go to the trial with the lower number, at the end and at equal forgetting', () => {
    const same = sampleRecords(study, () => ({ forget: 0, retain: 0.4 }));
    for (const { end, equal } of cellOf(summarize(study, same), 'adamw').chosen) {
      expect([end.slice(-2), equal!.slice(-2)]).toEqual(['t0', 't0']);
    }
    expect(chooseEqual(same.slice(0, 4).toReversed())!.record.trial).toBe(0);
  });
});

describe('a study that is not done', () => {
  test('counts the draws that all optimizers have done, and no other', () => {
    const part = records.filter(({ draw, optimizer, trial }) => draw < 2 || (optimizer === 'adamw' && trial === 0));
    const summary = summarize(study, part);
    expect(summary).toMatchObject({ done: 9, total: 12 });
    for (const cell of summary.cells) expect(cell).toMatchObject({ draws: [0, 1], trials: 4 });
    expect(cellOf(summary, 'adamw').figures.retain!.mean).toBeCloseTo((kept[0]! + kept[1]!) / 2, 12);
  });

  test('has no interval of one draw', () => {
    const summary = summarize(
      study,
      records.filter(({ draw }) => draw === 2),
    );
    expect(cellOf(summary, 'adamw').figures.retain).toEqual({ mean: expect.closeTo(0.64, 12), draws: 1 });
    expect(differenceOf(summary, 'retain')).toEqual({ mean: expect.closeTo(0.1, 12), draws: 1 });
  });

  test('has no figure of no draw, and none of no trial', () => {
    for (const few of [[], records.slice(0, 1)]) {
      const summary = summarize(study, few);
      expect(summary.cells.map(({ figures, bestOf, draws }) => ({ figures, bestOf, draws }))).toEqual([
        { figures: {}, bestOf: [], draws: [] },
        { figures: {}, bestOf: [], draws: [] },
      ]);
      expect(summary.comparisons).toEqual([]);
      expect(summary.references).toHaveLength(2 * few.length);
    }
  });

  test('says nothing at equal forgetting without a retrained model', () => {
    const without = records.map(({ retrained: _, retrainedAttacks: __, ...record }) => record);
    const { figures, chosen } = cellOf(summarize(study, without), 'adamw');
    expect(figures).not.toHaveProperty('equalReached');
    expect(figures).not.toHaveProperty('forgetDistance');
    expect(figures).not.toHaveProperty('relearnRobustness');
    expect(figures).toHaveProperty('quantizationRobustness');
    expect(chosen[0]).not.toHaveProperty('equal');
  });

  test('reaches equal forgetting in some draws alone, and says in how many', () => {
    const some = sampleRecords(study, (task) => (task.draw === 0 ? { forget: 0.3, retain: 0.8 } : endOf(task)));
    const { figures } = cellOf(summarize(study, some), 'adamw');
    expect(figures.equalReached!.mean).toBeCloseTo(2 / 3, 12);
    expect(figures.equalRetain!.draws).toBe(2);
  });
});

describe('refuses', () => {
  const [task] = tasksOf(study) as [TrialTask];
  const end = { validation: { forget: 0, retain: 0.5 }, test: { forget: 0, retain: 0.5 } };
  const good = sampleRecord(task, end);
  const [first, last] = good.path;

  test.each([
    ['another optimizer', { ...good, optimizer: 'lion' }, 'is of no trial of the study sample'],
    ['another model', { ...good, model: 'large' }, 'is of no trial'],
    ['a draw beyond the last', { ...good, draw: 3 }, 'is of no trial'],
    ['a trial that is no number', { ...good, trial: Number.NaN }, 'is of no trial'],
    ['a path of nothing', { ...good, path: [] }, 'has no path'],
    ['a path that stands still', { ...good, path: [first!, { ...last!, step: 0 }] }, 'path[1].step'],
    [
      'a probability that is none',
      { ...good, path: [first!, { ...last!, test: { forget: Number.NaN, retain: 0.5 } }] },
      'path[1].test.forget',
    ],
    ['more than all', { ...good, retrained: { ...end, test: { forget: 0, retain: 1.5 } } }, 'retrained.test.retain'],
  ])('%s', (_, record, message) => {
    expect(() => summarize(study, [record])).toThrow(expect.objectContaining({ code: 'SOUL_BAD_FILE' }));
    expect(() => summarize(study, [record])).toThrow(message);
  });

  test('the same trial twice', () => {
    expect(() => summarize(study, [good, { ...divergedRecord(task), id: 'other' }])).toThrow(
      `is of the same trial as ${good.id}`,
    );
  });
});
