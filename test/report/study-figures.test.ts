import { beforeAll, describe, expect, test } from '@jest/globals';
import { frontOf } from '../../lib/report/figures/study/front.ts';
import { studyFigures } from '../../lib/report/figures/study/list.ts';
import { contentText } from '../../lib/report/page/html.ts';
import { Drawer } from '../../lib/report/plot/draw.ts';
import { figureParts } from '../../lib/report/sections/figure-part.ts';
import { recordedTrials, trialRecords } from '../../lib/report/sections/records.ts';
import { trialsTable } from '../../lib/report/sections/trials-table.ts';
import { chosenTrials } from '../../lib/report/study-source.ts';
import { madeSource, madeStudy, madeTrials } from './made-study.ts';

const source = madeSource();
let drawer: Drawer;
beforeAll(async () => {
  drawer = await Drawer.load();
});

function rowsOf(name: string, of = source) {
  return studyFigures.find((figure) => figure.name === name)!.rows(of);
}

test('every figure has data of a whole study, and a name of its own', () => {
  expect(new Set(studyFigures.map(({ name }) => name)).size).toBe(studyFigures.length);
  for (const { name, rows } of studyFigures) expect([name, rows(source).length > 0]).toEqual([name, true]);
});

test.each(studyFigures.map(({ name }) => name))('%s is drawn, without a number that is none', (name) => {
  const figure = studyFigures.find((each) => each.name === name)!;
  const [part] = figureParts([figure], source, drawer, {});
  const text = contentText(part);
  const svg = [...text.matchAll(/<svg.*?<\/svg>/gs)].map(([each]) => each);
  expect(svg.length).toBeGreaterThan(0);
  expect(svg.join('')).not.toMatch(/NaN|undefined|Infinity|<style| style=|<script/);
  expect(text).toContain(`id="figure-${name}"`);
  expect(text).toContain(`download="${name}.csv"`);
});

test('the clipped share is a mean over draws with its interval', () => {
  // Student's t at 0.975, by degrees of freedom.
  const quantile = [Number.NaN, 12.7062047364, 4.3026527299, 3.1824463053, 2.7764451052];
  const shares = (optimizer: string, step: number) =>
    chosenTrials(source).flatMap(({ cell, trial }) =>
      cell.optimizer === optimizer ? (trial.clipped ?? []).filter((each) => each.step === step) : [],
    );
  const rows = rowsOf('clipped');
  expect(rows.length).toBeGreaterThan(0);
  for (const { optimizer, step, share, low, high, draws } of rows) {
    const own = shares(optimizer as string, step as number).map((each) => each.share);
    expect(draws).toBe(own.length);
    const mean = own.reduce((sum, each) => sum + each, 0) / own.length;
    const variance = own.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (own.length - 1);
    const half = quantile[own.length - 1]! * Math.sqrt(variance / own.length);
    expect(share).toBeCloseTo(mean, 12);
    expect(low).toBeCloseTo(mean - half, 9);
    expect(high).toBeCloseTo(mean + half, 9);
  }
});

test('a figure that has no data is not on the page', () => {
  const trials = madeTrials(madeStudy()).map(({ attacks: _, clipped: __, ...trial }) => trial);
  const without = madeSource(madeStudy(), trials);
  expect(rowsOf('robustness', without)).toEqual([]);
  expect(figureParts(studyFigures, without, drawer, {})).toHaveLength(studyFigures.length - 2);
});

test('a study of which nothing is done has no figure', () => {
  expect(figureParts(studyFigures, madeSource(madeStudy(), []), drawer, {})).toEqual([]);
});

test.each([
  ['of one optimizer', {}, { optimizers: ['adamw'] }],
  ['of one draw', {}, { draws: 1 }],
  ['of one trial', {}, { trials: 1, draws: 1 }],
  ['without a retrained model', { retrained: undefined, retrainedAttacks: undefined }, {}],
  ['without utility', { utility: undefined }, {}],
  ['whose trials all diverged', { outcome: 'diverged', reason: 'the loss was not finite' }, {}],
] as const)('a study %s is drawn, too', (_, trialChanges, studyChanges) => {
  const study = madeStudy(studyChanges as object);
  const trials = madeTrials(study).map((trial) => JSON.parse(JSON.stringify({ ...trial, ...trialChanges })));
  const parts = figureParts(studyFigures, madeSource(study, trials), drawer, {});
  expect(parts.length).toBeGreaterThan(3);
  const svg = [...contentText(parts).matchAll(/<svg.*?<\/svg>/gs)].map(([each]) => each);
  expect(svg.join('')).not.toMatch(/NaN|undefined|Infinity/);
});

test('paths are the mean of the chosen trials, with its interval, over epochs', () => {
  const chosen = chosenTrials(source).filter(({ cell }) => cell.optimizer === 'gnb-10');
  expect(chosen).toHaveLength(3);
  const values = chosen.map(({ trial }) => trial.path.find(({ step }) => step === 15)!.test.retain);
  const row = rowsOf('paths').find((each) => each.optimizer === 'gnb-10' && each.set === 'retain' && each.step === 15)!;
  const mean = (values[0]! + values[1]! + values[2]!) / 3;
  expect(row.mean).toBeCloseTo(mean, 12);
  // t(0.975, 2) is 4.302652730 (tables of Student's t).
  const deviation = Math.hypot(...values.map((value) => value - mean)) / Math.sqrt(2);
  const [low, high] = [row.low as number, row.high as number];
  expect(high - mean).toBeCloseTo((4.30265273 * deviation) / Math.sqrt(3), 6);
  expect(mean - low).toBeCloseTo(high - mean, 12);
  expect(row).toMatchObject({ draws: 3, epoch: 3 });
});

describe('the front', () => {
  test('is what no other point beats', () => {
    const points = [
      { forget: 0.1, retain: 0.5 },
      { forget: 0.2, retain: 0.9 },
      { forget: 0.2, retain: 0.8 },
      { forget: 0.3, retain: 0.9 },
      { forget: 0.1, retain: 0.5 },
    ];
    const front = frontOf(points);
    expect(points.map((point) => front.has(point))).toEqual([true, true, false, false, true]);
  });

  test('is what comparing every two points says', () => {
    // On a coarse grid many are equal in one or both.
    const points = Array.from({ length: 400 }, (_, i) => ({
      forget: ((i * 7919) % 13) / 13,
      retain: ((i * 104729) % 17) / 17 - ((i * 31) % 5),
    }));
    const front = frontOf(points);
    const beaten = (point: (typeof points)[number]) =>
      points.some(
        (other) =>
          other.forget <= point.forget &&
          other.retain >= point.retain &&
          (other.forget < point.forget || other.retain > point.retain),
      );
    expect(points.map((point) => front.has(point))).toEqual(points.map((point) => !beaten(point)));
    expect(front.size).toBeGreaterThan(1);
  });

  test('has every trial that did not diverge', () => {
    expect(rowsOf('front')).toHaveLength(source.trials.filter(({ outcome }) => outcome === 'done').length);
    expect(source.trials.filter(({ outcome }) => outcome === 'diverged')).toHaveLength(3);
  });
});

test('differences are those of the analysis to the first optimizer', () => {
  const rows = rowsOf('differences');
  expect(new Set(rows.map(({ other }) => other))).toEqual(new Set(['adamw']));
  const score = source.summary.comparisons.find((each) => each.figure === 'score' && each.optimizer === 'sign')!;
  expect(rows.find(({ figure, optimizer }) => figure === 'score' && optimizer === 'sign')).toMatchObject({
    difference: score.difference.mean,
    low: score.difference.low,
  });
});

test('of several models, splits or methods each has panels of its own', () => {
  const study = madeStudy({ methods: ['graddiff', 'npo'] });
  const { panels } = studyFigures[0]!.draw(rowsOf('paths', madeSource(study)), madeSource(study), drawer.plot);
  expect(panels.map(({ title }) => title)).toEqual([
    'Forget set, lower is better: graddiff',
    'Retain set, higher is better: graddiff',
    'Forget set, lower is better: npo',
    'Retain set, higher is better: npo',
  ]);
});

test('the same study gives the same drawings', async () => {
  const again = await Drawer.load();
  const text = (by: Drawer) => contentText(figureParts(studyFigures, source, by, {}));
  expect(text(await Drawer.load())).toBe(text(again));
});

test('a page of very many trials has the records of the chosen ones alone, and says so', () => {
  const study = madeStudy({ draws: 26, trials: 14 });
  const many = madeSource(study);
  expect(many.trials.length).toBeGreaterThan(1000);
  const shown = new Set(recordedTrials(many).map(({ id }) => id));
  for (const { trial } of chosenTrials(many)) expect(shown.has(trial.id)).toBe(true);
  expect(shown.size).toBeLessThanOrEqual(2 * 26 * study.optimizers.length);
  expect(contentText(trialRecords(many))).toContain(`Of ${many.trials.length} trials those that were chosen`);
  const table = contentText(trialsTable(many));
  expect(table.match(/href="#record-/g)).toHaveLength(shown.size);
  expect(table).toContain('the name of each that was chosen leads to its record');
});
