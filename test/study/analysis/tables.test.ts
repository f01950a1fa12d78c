import { describe, expect, test } from '@jest/globals';
import { printComparison } from '../../../lib/cli/comparison/forms.ts';
import { claimsOf, leadersOf } from '../../../lib/study/analysis/claims.ts';
import { limitsOf } from '../../../lib/study/analysis/limits.ts';
import { summarize } from '../../../lib/study/analysis/summarize.ts';
import { studyTables } from '../../../lib/study/analysis/tables/list.ts';
import { columnTitle, shownDifference, shownValue } from '../../../lib/study/analysis/tables/numbers.ts';
import type { TrialTask } from '../../../lib/study/trial/record.ts';
import { sampleRecords, sampleStudy } from './sample-study.ts';

const study = sampleStudy();
const kept = [0.48, 0.56, 0.64];
/** GNB keeps more at the end, by about the same in each draw. */
const more = [0.08, 0.09, 0.1];
const endOf = ({ optimizer, draw }: TrialTask) => ({
  forget: 0.05,
  retain: kept[draw]! + (optimizer === 'adamw' ? 0 : more[draw]!),
});
const records = sampleRecords(study, endOf);
const summary = summarize(study, records);

const tableOf = (name: string) => studyTables(summary).find((table) => table.name === name)!;

describe('tables', () => {
  test('are those of efficacy, differences, robustness, cost, the path and the best of n trials', () => {
    expect(studyTables(summary).map(({ name }) => name)).toEqual([
      ...['efficacy', 'differences', 'robustness', 'cost', 'path', 'bestOf'],
    ]);
  });

  test('have a row for the original, the retrained and each unlearned model, and columns that some row has a value for', () => {
    const { labels, columns, rows } = tableOf('efficacy');
    expect(labels).toEqual(['optimizer']);
    expect(rows.map((row) => row.labels)).toEqual([['original'], ['retrained'], ['adamw'], ['gnb-10']]);
    expect(columns.map(({ title }) => title)).toEqual([
      ...[
        'score',
        'forget',
        'forget gap',
        'retain',
        'retain at equal forgetting',
        'draws at equal forgetting',
        'utility',
      ],
      'diverged',
    ]);
    expect(rows[2]!.cells[3]).toEqual({ value: '0.560', interval: '[0.361, 0.759]' });
    expect(rows[2]!.cells.at(-1)).toEqual({ value: '0 of 6' });
    expect(rows[1]!.cells[1]).toEqual({ value: '0.100' });
    for (const { cells } of rows) expect(cells).toHaveLength(columns.length);
  });

  test('name model, split and method where there are several', () => {
    const methods = [
      { name: 'graddiff', settings: {} },
      { name: 'npo', settings: {} },
    ] as const;
    const two = sampleStudy({ methods });
    const [efficacy] = studyTables(summarize(two, sampleRecords(two, endOf)));
    expect(efficacy!.labels).toEqual(['method', 'optimizer']);
    expect(efficacy!.rows.map((row) => row.labels)).toEqual([
      ['', 'original'],
      ['', 'retrained'],
      ...methods.flatMap(({ name }) => [
        [name, 'adamw'],
        [name, 'gnb-10'],
      ]),
    ]);
  });

  test('mark a difference whose interval excludes 0, and one whose interval holds it', () => {
    const { rows, columns, legend, title, lines } = tableOf('differences');
    expect(title).toBe('Each optimizer less adamw');
    const cell = (name: string) => rows[0]!.cells[columns.findIndex((column) => column.title === name)];
    expect(cell('retain')).toEqual({ value: '+0.090', interval: '[0.065, 0.115]', mark: 'differs' });
    expect(cell('forget')).toMatchObject({ value: '0.000', mark: 'same' });
    expect(legend).toEqual({
      differs: 'the 95 % interval excludes 0',
      same: 'no difference is shown: the 95 % interval holds 0',
    });
    expect(lines.join('\n')).toContain('8 intervals, none widened for being one of many: about 0.4 would exclude 0');
  });

  test('fit a narrow terminal, and are Markdown', () => {
    for (const table of studyTables(summary)) {
      const widest = Math.max(
        ...printComparison('text', table, 60)
          .split('\n\n')
          .slice(0, -1)
          .join('\n')
          .split('\n')
          .map(({ length }) => length),
      );
      expect(widest).toBeLessThanOrEqual(60);
      expect(printComparison('markdown', table)).toMatch(/^\| optimizer \|/);
    }
    expect(printComparison('text', tableOf('differences'), 200)).toContain('+0.090* [0.065, 0.115]');
  });

  test('say what is left out', () => {
    const part = summarize(study, records.slice(0, 9));
    expect(studyTables(part)[0]!.lines).toContain('left out: 1 trial of draws that are not done for all optimizers');
  });

  test('are none where no draw is done', () => {
    expect(studyTables(summarize(study, []))).toEqual([]);
    expect(studyTables(summarize(study, records.slice(0, 1)))).toEqual([]);
  });
});

test('numbers are shown by what they are', () => {
  expect(shownValue(0.12345, 'probability')).toBe('0.123');
  expect(shownValue(0.00012, 'share')).toBe('1.2e-4');
  expect(shownValue(0, 'share')).toBe('0.000');
  expect(shownValue(1234.5, 'seconds')).toBe('1235');
  expect(shownValue(0.0456, 'seconds')).toBe('0.046');
  expect(shownValue(3 * 2 ** 20, 'bytes')).toBe('3');
  expect(shownDifference(-0.5, 'share')).toBe('-0.500');
  expect(shownDifference(0.5, 'share')).toBe('+0.500');
  expect(columnTitle({ name: 'x', label: 'peak memory', text: '', better: 'lower', unit: 'bytes' })).toBe(
    'peak memory (MiB)',
  );
});

describe('claims', () => {
  test('say which way a difference goes, with its interval', () => {
    const sentences = claimsOf(summary).map(({ sentence }) => sentence);
    expect(sentences).toContain('gnb-10 keeps more of the retain set than adamw: +0.090 [0.065, 0.115] over 3 draws.');
    expect(sentences).toContain(
      'No difference in forget probability at the end is shown between gnb-10 and adamw: 0.000, and the interval [0.000, 0.000] over 3 draws holds 0.',
    );
  });

  test('turn round where the second is worse', () => {
    const worse = sampleRecords(study, (task) => ({
      ...endOf(task),
      retain: kept[task.draw]! - (task.optimizer === 'adamw' ? 0 : more[task.draw]!),
    }));
    const { sentence, standing } = claimsOf(summarize(study, worse)).find(({ figure }) => figure === 'retain')!;
    expect(sentence).toBe('gnb-10 keeps less of the retain set than adamw: -0.090 [-0.115, -0.065] over 3 draws.');
    expect(standing).toBe('shown');
  });

  test('say that one draw tells nothing', () => {
    const one = summarize(study, records.slice(0, 4));
    expect(claimsOf(one).every(({ standing }) => standing === 'untold')).toBe(true);
    expect(claimsOf(one)[0]!.sentence).toMatch(
      /^Whether gnb-10 and adamw differ in score at the end cannot be told of one draw: \+/,
    );
  });

  test('are none where nothing is done', () => {
    expect(claimsOf(summarize(study, []))).toEqual([]);
    expect(leadersOf(summarize(study, []), 'score')).toEqual([]);
  });

  test('name the best mean', () => {
    expect(leadersOf(summary, 'retain')).toEqual([
      'The highest mean of retain is that of gnb-10: 0.650 [0.426, 0.874]; its difference to the next, adamw, is +0.090 [0.065, 0.115], whose interval excludes 0.',
    ]);
    expect(leadersOf(summary, 'seconds')).toEqual([
      'The lowest mean of time a run is that of adamw: 20.0 [20.0, 20.0]; its difference to the next, gnb-10, is 0.000 [0.000, 0.000], whose interval holds 0.',
    ]);
    // GNB's forget probability is the higher.
    const less = sampleRecords(study, (task) => ({ forget: task.optimizer === 'adamw' ? 0.1 : 0.2, retain: 0.6 }));
    expect(leadersOf(summarize(study, less), 'forget')[0]).toMatch(
      /^The lowest mean of forget is that of adamw: 0\.100 /,
    );
    const turned = sampleRecords(study, (task) => ({ forget: 0.05, retain: 0.8 - endOf(task).retain }));
    expect(leadersOf(summarize(study, turned), 'retain')[0]).toContain('the next, gnb-10, is +0.090 [0.065, 0.115]');
    expect(leadersOf(summarize(study, records.slice(0, 4)), 'retain')[0]).toMatch(/is \+0.080, of one draw\.$/);
  });
});

describe('limits', () => {
  test('are counted from the study', () => {
    const limits = limitsOf(summary, records).join('\n');
    expect(limits).toContain('It is of one model (135 million weights), one split of data and one method (graddiff)');
    expect(limits).toContain('Each optimizer had 2 trials for each draw');
    expect(limits).toContain('Intervals are over 3 draws');
    expect(limits).not.toContain('diverged');
    expect(limits).not.toContain('retrained model: nothing');
    const one = { ...study, draws: 1 };
    const single = limitsOf(summarize(one, records.slice(0, 4)), records.slice(0, 4)).join('\n');
    expect(single).toContain('There is one draw of the batches');
    expect(single).not.toMatch(/[Ii]ntervals/);
  });

  test('name an optimizer whose best setting is the first or the last that was tried', () => {
    const wide = sampleStudy({ trials: 4 });
    const rate = ({ searched: { learningRateFactor } }: TrialTask) => Math.log(learningRateFactor);
    // AdamW is the better the lower its learning rate; GNB is best between the ends, though at one in the draw 0.
    const ends = sampleRecords(wide, (task) => {
      const off = task.optimizer === 'adamw' || task.draw === 0 ? rate(task) - Math.log(0.4) : 2 * Math.abs(rate(task));
      return { forget: 0.1, retain: 0.7 - 0.1 * off };
    });
    const sentences = limitsOf(summarize(wide, ends), ends).filter((each) => each.startsWith('The best setting'));
    const points = ends
      .filter(({ optimizer, draw }) => optimizer === 'adamw' && draw === 0)
      .map(({ searched }) => searched);
    const best = points.toSorted((a, b) => a.learningRateFactor - b.learningRateFactor)[0]!;
    const coefficients = points.map(({ retainCoefficient }) => retainCoefficient!);
    expect(sentences.filter((each) => each.includes('learning rate'))).toEqual([
      'The best setting of adamw (graddiff on small, authors), by the mean of the half that chooses, has the lowest learning rate that was tried: beyond it may be a better one.',
    ]);
    const isAtEnd = [Math.min(...coefficients), Math.max(...coefficients)].includes(best.retainCoefficient!);
    expect(sentences.some((each) => /adamw.*retain coefficient/.test(each))).toBe(isAtEnd);
    expect(limitsOf(summary, records).join()).not.toContain('The best setting');
  });

  test('say where an interval passes what its figure can be, on either side', () => {
    const passes = (retains: readonly number[]) => {
      const some = sampleRecords(study, ({ draw }) => ({ forget: 0.05, retain: retains[draw]! }));
      return limitsOf(summarize(study, some), some).some((each) => each.includes('knows no bounds'));
    };
    expect(passes([0.5, 0.51, 0.52])).toBe(false);
    expect(passes([0.99, 0.7, 0.9])).toBe(true);
    expect(passes([0.01, 0.3, 0.1])).toBe(true);
  });

  test('of times that other work was in says so', () => {
    const { seconds, processorSeconds } = records[0]!.cost;
    expect(seconds).toBeLessThan(1.3 * processorSeconds);
    expect(limitsOf(summary, records).join()).not.toContain('other work ran beside');
    const waited = records.map((record, i) =>
      i < 2 ? { ...record, cost: { ...record.cost, seconds: 1.31 * processorSeconds } } : record,
    );
    expect(limitsOf(summarize(study, waited), waited)).toContainEqual(
      expect.stringMatching(new RegExp(`^2 of ${records.length} trials took more than 1.3 times their processor time`)),
    );
  });

  test('say that attacked trials differ in more than robustness', () => {
    expect(limitsOf(summary, records).join()).toContain('a difference in robustness may come from either');
    const { attacks: _, ...none } = study.evaluation;
    const without = { ...study, evaluation: { ...none, attacks: [] } };
    expect(limitsOf(summarize(without, records), records)).toContain(
      'No attack was made: nothing is said of robustness.',
    );
  });

  test('name what is not done, what diverged and what was not reached', () => {
    const some = sampleRecords(study, (task) => {
      if (task.optimizer === 'adamw' && task.draw === 0) return { forget: 0.5, retain: 0.8 };
      return task.trial === 1 ? undefined : endOf(task);
    }).slice(0, 11);
    const limits = limitsOf(summarize(study, some), some).join('\n');
    expect(limits).toContain('11 of 12 trials are done');
    expect(limits).toContain('3 trials are left out');
    expect(limits).toContain('3 of 8 trials diverged, and count with a score of 0.');
    expect(limits).toContain(
      "adamw (graddiff on small, authors) comes down to the retrained model's forget probability in 1 of 2 draws",
    );
  });
});
