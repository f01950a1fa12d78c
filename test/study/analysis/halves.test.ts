import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../../lib/core/random.ts';
import { recipesOf } from '../../../lib/study/analysis/recipes.ts';
import { summarize } from '../../../lib/study/analysis/summarize.ts';
import { tasksOf } from '../../../lib/study/search/tasks.ts';
import type { TrialRecord } from '../../../lib/study/trial/record.ts';
import { sampleRecord, sampleStudy } from './sample-study.ts';

type Half = 'validation' | 'test';

/** What is left of the forget set: by the half that chooses less than the retrained model knows, by the other more. */
const ends = { validation: [0, 0.04], test: [0.25, 0.5] } as const;

/** Values of one half of a record, as a seed draws them. */
function drawnHalf(record: TrialRecord, half: Half, seed: number): TrialRecord {
  let place = 0;
  const draw = randomStream(BigInt(seed), `${half} of ${record.id}`);
  // What trials share is the same in all of them.
  const common = randomStream(BigInt(seed), half);
  const between = (low: number, high: number, from = draw) => low + (high - low) * from.uniform(0, place++);
  const [start, retrained, attacked] = [0, 1, 2].map((first) => {
    place = 100 * first;
    return { forget: between(0.8, 0.9, common), retain: between(0.8, 0.9, common), low: between(0.05, 0.2, common) };
  });
  place = 0;
  const attack = (figures: NonNullable<TrialRecord['attacks']>[string], value: () => number) => ({
    forget: { ...figures.forget, [half]: value() },
    retain: { ...figures.retain, [half]: value() },
  });
  const each = (attacks: TrialRecord['attacks'], value: () => number) =>
    Object.fromEntries(Object.entries(attacks!).map(([name, figures]) => [name, attack(figures, value)]));
  const [first, last] = record.path;
  const [least, most] = ends[half];
  return {
    ...record,
    path: [
      { ...first!, [half]: { forget: start!.forget, retain: start!.retain } },
      { ...last!, [half]: { forget: between(least, most), retain: between(0.4, 0.8) } },
    ],
    retrained: { ...record.retrained!, [half]: { forget: retrained!.low, retain: retrained!.retain } },
    attacks: each(record.attacks, () => between(0.6, 0.9)),
    retrainedAttacks: each(record.retrainedAttacks, () => retrained!.low + attacked!.low / 2),
  };
}

function drawn(records: readonly TrialRecord[], half: Half, seed: number): TrialRecord[] {
  return records.map((record) => drawnHalf(record, half, seed));
}

const anyEnd = { forget: 0.02, retain: 0.6 };
const plain = (study: ReturnType<typeof sampleStudy>) =>
  tasksOf(study).map((task) =>
    sampleRecord(
      task,
      { validation: anyEnd, test: anyEnd },
      // Told apart by its number, so that a recipe says which setting it is.
      { optimizerSettings: { optimizer: 'adamw', learningRate: 1e-4 * (task.trial + 1) } },
    ),
  );

describe('the half that is reported', () => {
  const study = sampleStudy({ trials: 5 });
  const validated = drawn(plain(study), 'validation', 1);
  const chosenOf = (records: readonly TrialRecord[]) => {
    const { cells } = summarize(study, records);
    return {
      chosen: cells.map(({ chosen }) => chosen),
      steps: cells.map(({ figures }) => figures.equalStep),
      recipes: recipesOf(study, records).map(({ studied, rank, learningRate }) => ({ studied, rank, learningRate })),
    };
  };

  test('has no say in any choice', () => {
    const expected = chosenOf(drawn(validated, 'test', 2));
    expect(expected.chosen.flat().every(({ equal }) => equal !== undefined)).toBe(true);
    for (const seed of [3, 4, 5, 6]) expect(chosenOf(drawn(validated, 'test', seed))).toEqual(expected);
  });

  test('is all that figures are of', () => {
    // With one trial there is no choice.
    const one = sampleStudy({ trials: 1 });
    const tested = drawn(plain(one), 'test', 1);
    const figuresOf = (records: readonly TrialRecord[]) => {
      const { cells, references, comparisons } = summarize(one, records);
      const isOfPlace = (name: string) => name.startsWith('equal');
      return {
        figures: cells.map(({ figures }) => Object.entries(figures).filter(([name]) => !isOfPlace(name))),
        bestOf: cells.map(({ bestOf }) => bestOf),
        references,
        comparisons: comparisons.filter(({ figure }) => !isOfPlace(figure)),
        recipes: recipesOf(one, records)
          .map(({ studied, score }) => ({ studied, score }))
          .toSorted(byOptimizer),
      };
    };
    const expected = figuresOf(drawn(tested, 'validation', 2));
    for (const seed of [3, 4, 5, 6]) expect(figuresOf(drawn(tested, 'validation', seed))).toEqual(expected);
    // Whereas the other half is not without effect.
    expect(figuresOf(drawn(tested, 'test', 7))).not.toEqual(expected);
  });
});

function byOptimizer(a: { studied: { optimizer: string } }, b: { studied: { optimizer: string } }): number {
  return a.studied.optimizer < b.studied.optimizer ? -1 : 1;
}
