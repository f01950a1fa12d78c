import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../lib/core/random.ts';
import { directionOf } from '../../lib/eval/comparison/direction.ts';
import { metrics } from '../../lib/eval/figures/list.ts';
import {
  type Comparison,
  type ComparisonCell,
  compareLogs,
  comparisonLayout,
  type EvaluationLog,
  evaluationProfile,
  type LogItem,
  type ProfileName,
} from '../../lib/eval/index.ts';

/** A log whose answers have these probabilities, in the forget and the retain set. */
function logOf(
  probabilities: { forget: readonly number[]; retain?: readonly number[] },
  recorded: Record<string, unknown> = {},
): EvaluationLog {
  const items = (values: readonly number[]): LogItem[] =>
    values.map((value, i) => ({
      index: String(i),
      answer: { meanLoss: -Math.log(value), tokens: 3 },
      paraphrased: { meanLoss: -Math.log(value), tokens: 3 },
      perturbed: [{ meanLoss: 1, tokens: 3 }],
      texts: { prompt: `q${i}`, generation: 'g', answer: `a${i}` },
      rougeLRecall: value,
    }));
  const { forget, retain = forget } = probabilities;
  return {
    recorded: { profile: 'tofu', split: 'forget10', ...recorded } as EvaluationLog['recorded'] & object,
    sets: { forget: items(forget), retain: items(retain) },
  };
}

/** Numbers between 0 and 1 that look like nothing. */
const scattered = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ((i + from + 1) * 0.6180339887) % 1).map((value) => 0.05 + 0.9 * value);

const probability = comparisonLayout('forget.probability,retain.probability');
const standings = ({ models }: Comparison, column = 0) => models.map(({ cells }) => cells[column]!.standing);

describe('what differs', () => {
  test('is told by a paired bootstrap of the items, as a plain computation gives it', () => {
    const [one, two] = [scattered(40), scattered(40, 7).map((value, i) => value + (i % 3 === 0 ? 0.04 : -0.01))];
    const { models } = compareLogs(
      [
        { name: 'one', log: logOf({ forget: one }) },
        { name: 'two', log: logOf({ forget: two }) },
      ],
      { layout: probability, resamples: 200, level: 0.875, seed: 5n, baseline: 'one' },
    );
    const stream = randomStream(5n, 'bootstrap forget');
    const differences = Array.from({ length: 200 }, (_, k) => {
      let sum = 0;
      for (let i = 0; i < 40; i++) {
        const item = stream.integer(40, k, i);
        sum += two[item]! - one[item]!;
      }
      return sum / 40;
    }).sort((a, b) => a - b);
    const [, second] = models;
    expect(second!.cells[0]!.difference![0]).toBeCloseTo(differences[12]!, 12);
    expect(second!.cells[0]!.difference![1]).toBeCloseTo(differences[187]!, 12);
    expect(models[0]!.cells[0]!.standing).toBe('baseline');
    expect(second!.cells[0]!.standing).toBe(differences[12]! <= 0 && differences[187]! >= 0 ? 'alike' : 'different');
  });

  test('is not what items have in common: a small difference of every item is one, and of some it is none', () => {
    const values = scattered(50);
    const every = values.map((value) => value - 0.005);
    const some = values.map((value, i) => value + (i % 2 === 0 ? 0.03 : -0.0305));
    const compared = compareLogs(
      [
        { name: 'original', log: logOf({ forget: values }) },
        { name: 'every', log: logOf({ forget: every }) },
        { name: 'some', log: logOf({ forget: some }) },
        { name: 'copy', log: logOf({ forget: values }) },
      ],
      { layout: probability },
    );
    // Of the forget set less is better, of the retain set more.
    expect(standings(compared)).toEqual(['different', 'best', expect.any(String), 'different']);
    expect(standings(compared, 1)).toEqual(['best', 'different', 'alike', 'best']);
    // Intervals of the values themselves hold each other's.
    const [original, second] = compared.models.map(({ cells }) => cells[0]!);
    expect(original!.interval![0]).toBeLessThan(second!.value!);
    // The difference to the best, item by item 0.005.
    for (const end of original!.difference!) expect(end).toBeCloseTo(0.005, 12);
  });

  test('identical logs never differ, in any figure', () => {
    const log = () => logOf({ forget: scattered(12) });
    for (const baseline of [undefined, 'a']) {
      const { models } = compareLogs(
        [
          { name: 'a', log: log() },
          { name: 'b', log: log() },
        ],
        {
          layout: comparisonLayout('full'),
          reference: logOf({ forget: scattered(12, 3) }),
          resamples: 200,
          ...(baseline ? { baseline } : {}),
        },
      );
      const seen = new Set(models[1]!.cells.map(({ standing }) => standing));
      expect([...seen].filter((standing) => standing !== undefined)).toEqual([baseline ? 'alike' : 'best']);
      expect(models[1]!.cells.map(({ value }) => value)).toEqual(models[0]!.cells.map(({ value }) => value));
    }
  });

  test('of one item it cannot be told, and without a direction there is no best', () => {
    const single = compareLogs(
      [
        { name: 'a', log: logOf({ forget: [0.5] }) },
        { name: 'b', log: logOf({ forget: [0.6] }) },
      ],
      { layout: comparisonLayout('forget.probability,forget.truthRatio') },
    );
    expect(standings(single)).toEqual(['best', 'unknown']);
    expect(standings(single, 1)).toEqual([undefined, undefined]);
  });

  test("the retrained model's own forget quality is no best, and others are told apart by the statistic", () => {
    const scores = { forget: [1, 2, 3], holdout: [2, 3, 4] };
    const scored = (log: EvaluationLog) => ({
      ...log,
      membership: { membershipReference: scores, membershipMinK: scores },
    });
    const retrained = scored(logOf({ forget: scattered(60, 2) }));
    const quality = comparisonLayout('forgetQuality,membershipReference,privleak');
    // One item alone is the retrained model's.
    const near = scored(logOf({ forget: [scattered(60, 2)[0]!, ...scattered(60, 31).slice(1)] }));
    const far = scored(logOf({ forget: scattered(60).map((value) => value / 20) }));
    const logs = [
      { name: 'retrained', log: retrained },
      { name: 'near', log: near },
      { name: 'far', log: far },
    ];
    const compared = compareLogs(logs, { layout: quality, reference: retrained, resamples: 200 });
    expect(standings(compared)).toEqual([undefined, 'best', 'different']);
    expect(compared.models[0]!.cells.map(({ value }) => value)).toEqual([1, 7 / 9, 0]);
    for (const column of [1, 2]) expect(standings(compared, column)).toEqual([undefined, 'best', 'best']);
    // D of two resamples is above 0: an interval would leave the value out.
    expect(compared.models[0]!.cells[0]).not.toHaveProperty('interval');
    // An interval of D is none of p.
    expect(compared.models[2]!.cells[0]).not.toHaveProperty('difference');
    // Another model's wrong answers tell it from the reference, too.
    const wrongs = {
      ...retrained,
      sets: {
        ...retrained.sets,
        forget: retrained.sets.forget!.map((item) => ({ ...item, perturbed: [{ meanLoss: 3, tokens: 3 }] })),
      },
    };
    const other = compareLogs([{ name: 'other', log: wrongs }], {
      layout: quality,
      reference: retrained,
      resamples: 2,
    });
    expect([standings(other), other.notes]).toEqual([['best'], []]);
    // What is 1 by construction says nothing of others either.
    const beside = compareLogs(logs, { layout: quality, reference: retrained, baseline: 'retrained', resamples: 20 });
    expect(standings(beside)).toEqual([undefined, undefined, undefined]);
    expect(compared.notes).toEqual(
      Array(3).fill(expect.stringMatching(/^retrained: .*the reference is the model itself/)),
    );
  });

  test('where the best is nearest to a number it is the distances that are compared', () => {
    // Members score lower for the most part in `high`, higher in `low`, and neither in `even`.
    const scores = scattered(40).map((value) => Math.round(100 * value));
    const members = { high: -30, low: 30, even: 2 };
    const logs = Object.entries(members).map(([name, shift]) => ({
      name,
      log: {
        ...logOf({ forget: [0.5, 0.5] }, { profile: 'open-unlearning' }),
        membership: {
          membershipLoss: {
            forget: scores.map((value) => value + shift),
            holdout: scattered(40, 7).map((value) => Math.round(100 * value)),
          },
        },
      },
    }));
    const options = { layout: comparisonLayout('membershipLoss'), resamples: 200, seed: 3n };
    const draws = ['forget', 'holdout'].map((name) => {
      const stream = randomStream(3n, `bootstrap ${name}`);
      return Array.from({ length: 200 }, (_, k) => Array.from({ length: 40 }, (_, i) => stream.integer(40, k, i)));
    });
    /** AUC of each draw, by counting pairs. */
    const areas = logs.map(({ log }) => {
      const { forget, holdout } = log.membership.membershipLoss;
      return draws[0]!.map((own, k) => {
        let wins = 0;
        for (const i of own)
          for (const j of draws[1]![k]!) wins += forget[i]! < holdout[j]! ? 1 : forget[i] === holdout[j] ? 0.5 : 0;
        return wins / 1600;
      });
    });
    const ends = (values: number[]) => {
      const sorted = values.toSorted((a, b) => a - b);
      return [sorted[5]!, sorted[194]!] as const;
    };
    const apart = ([low, high]: readonly [number, number]) => (low <= 0 && high >= 0 ? 'alike' : 'different');
    const between = (a: number, b: number, of: (area: number) => number) =>
      ends(areas[a]!.map((area, k) => of(area) - of(areas[b]![k]!)));
    const distance = (area: number) => Math.abs(area - 0.5);
    const compared = compareLogs(logs, options);
    expect(compared.columns[0]!.direction).toEqual({ nearest: 0.5 });
    expect(standings(compared)).toEqual([apart(between(0, 2, distance)), apart(between(1, 2, distance)), 'best']);
    expect(standings(compared)).toEqual(['different', 'different', 'best']);
    // An interval of distances is none of the figure.
    for (const { cells } of compared.models) expect(cells[0]).not.toHaveProperty('difference');
    // Equally far on either side: alike as far as the distance goes, and not as figures.
    const two = compareLogs(logs.slice(0, 2), options);
    expect(new Set(standings(two))).toEqual(new Set(['best', 'alike']));
    expect(apart(between(1, 0, distance))).toBe('alike');
    const beside = compareLogs(logs, { ...options, baseline: 'high' });
    const [low, high] = between(1, 0, (area) => area);
    expect(beside.models[1]!.cells[0]).toMatchObject({
      standing: 'different',
      difference: [expect.closeTo(low, 12), expect.closeTo(high, 12)],
    });
  });

  test('a model that gives right answers no probability is one among others', () => {
    const values = [0.5, 0.25, 0.75, 0.4];
    const layout = comparisonLayout('forgetQuality,forget.probability,retain.perplexity,retain.truthRatio');
    const compared = compareLogs(
      [
        { name: 'some', log: logOf({ forget: values }) },
        { name: 'none', log: logOf({ forget: [0, 0, 0, 0] }) },
      ],
      { layout, reference: logOf({ forget: [0.9, 0.8, 0.7, 0.6] }), resamples: 100 },
    );
    const [some, none] = compared.models.map(({ cells }) => cells) as [ComparisonCell[], ComparisonCell[]];
    // D is 1: of the 8! / (4! 4!) orders two are so far apart.
    expect(none[0]!.value).toBeCloseTo(2 / 70, 12);
    expect(none[0]!.interval).toEqual([expect.closeTo(2 / 70, 12), expect.closeTo(2 / 70, 12)]);
    expect([some[1]!.standing, none[1]!.standing]).toEqual(['different', 'best']);
    expect(none[1]).toMatchObject({ value: 0, interval: [0, 0] });
    expect([some[2]!.standing, none[2]!.standing]).toEqual(['best', 'different']);
    expect(none[2]).toMatchObject({ value: Infinity, interval: [Infinity, Infinity] });
    expect(none[3]).toMatchObject({ value: 0 });
    // Where wrong answers have none either there is no truth ratio, and nothing to compare.
    const dead = logOf({ forget: [0, 0, 0, 0] });
    for (const item of Object.values(dead.sets).flat()) Object.assign(item, { perturbed: [{ meanLoss: Infinity }] });
    const [cell] = compareLogs([{ name: 'dead', log: dead }], { layout: comparisonLayout('retain.truthRatio') })
      .models[0]!.cells;
    expect(cell).toEqual({ why: expect.stringMatching(/neither right nor wrong answers/) });
  });

  test('what is better is known of every figure but those that a retrained model decides', () => {
    const directions = (name: ProfileName) =>
      Object.fromEntries(
        metrics.flatMap((metric) =>
          (metric.sets ?? [undefined]).map((set) => [
            set === undefined ? metric.name : `${set}.${metric.name}`,
            directionOf(metric.name, set, evaluationProfile(name)),
          ]),
        ),
      );
    const undirected = (name: ProfileName) =>
      Object.entries(directions(name)).flatMap(([figure, direction]) => (direction === undefined ? [figure] : []));
    const always = ['forget.truthRatio', 'forget.perplexity', 'holdout.perplexity'];
    const seen = ['holdout.exactMemorization', 'holdout.extractionStrength'];
    expect(undirected('tofu')).toEqual([...always, ...seen]);
    const memberships = metrics.filter(({ name }) => name.startsWith('membership')).map(({ name }) => name);
    expect(undirected('soul')).toEqual(['forgetQuality', ...always, ...seen, ...memberships, 'privleak']);
    expect(directions('tofu')).toMatchObject({
      forgetQuality: 'higher',
      modelUtility: 'higher',
      'forget.probability': 'lower',
      'realAuthors.probability': 'higher',
      'forget.accuracy': 'lower',
      'worldFacts.truthRatio': 'higher',
      'retain.perplexity': 'lower',
      'retain.extractionStrength': 'higher',
      membershipMinK: { nearest: 0.5 },
      privleak: { nearest: 0 },
    });
  });
});

describe('a table', () => {
  const log = (recorded?: object) => logOf({ forget: scattered(5) }, { ...recorded });
  const two = (one: EvaluationLog, other: EvaluationLog) => [
    { name: 'one', log: one },
    { name: 'two', log: other },
  ];

  test("leaves out what no model has where it has every figure, and takes SOUL's accuracy as each set has it", () => {
    const full = compareLogs(two(log(), log()), { layout: comparisonLayout('full'), resamples: 2 });
    expect(full.columns.map(({ metric }) => metric)).toContain('perplexity');
    expect(full.columns.map(({ metric }) => metric)).not.toContain('accuracy');
    const soul = compareLogs(two(log(), log()), { layout: comparisonLayout('soul'), resamples: 2 });
    expect(soul.columns.map(({ metric, set, group }) => `${group} ${set ?? '-'} ${metric}`)).toEqual([
      'forget - forgetQuality',
      'forget forget accuracy',
      'forget forget rougeLRecall',
      'forget - membershipMinK',
      'retain retain accuracy',
      'retain retain rougeLRecall',
      'authors realAuthors containsAnswer',
      'authors realAuthors rougeLRecall',
      'facts worldFacts containsAnswer',
      'facts worldFacts rougeLRecall',
    ]);
    expect(soul.models[0]!.cells[1]!.why).toMatch(/--embedder/);
  });

  test('says of which models its notes are, and what embedded sentences', () => {
    const guarded = log({ template: { kind: 'text', guardrail: 'Refuse.' } });
    const layout = comparisonLayout('forget.probability');
    const notes = (logs: EvaluationLog[]) => compareLogs(two(logs[0]!, logs[1]!), { layout, resamples: 2 }).notes;
    expect(notes([log(), guarded])).toEqual([expect.stringMatching(/^two: an instruction to refuse/)]);
    expect(notes([guarded, log()])).toEqual([expect.stringMatching(/^one: an instruction to refuse/)]);
    expect(notes([guarded, guarded])).toEqual([expect.stringMatching(/^an instruction to refuse/)]);
    const embedded = compareLogs(two(log(), log({ embedder: 'mini' })), { layout, resamples: 2 });
    expect(embedded.embedder).toBe('mini');
    const { forget } = log().sets;
    const fewer = compareLogs(two({ ...log(), sets: { forget: forget! } }, log()), { layout, resamples: 2 });
    expect(fewer.items).toEqual({ forget: 5, retain: 5 });
    // One note of two columns of one title is still of one model.
    const without = (of: EvaluationLog): EvaluationLog => ({
      ...of,
      sets: Object.fromEntries(
        Object.entries(of.sets).map(([set, items]) => [
          set,
          items.map((item, i) => ({ ...item, given: { exactMemorization: i === 0 ? null : 1 } })),
        ]),
      ),
    });
    const given = (of: EvaluationLog): EvaluationLog => ({
      ...of,
      sets: Object.fromEntries(
        Object.entries(of.sets).map(([set, items]) => [
          set,
          items.map((item) => ({ ...item, given: { exactMemorization: 1 } })),
        ]),
      ),
    });
    const memorized = compareLogs(two(given(log()), without(log())), {
      layout: comparisonLayout('forget.exactMemorization,retain.exactMemorization'),
      resamples: 2,
    });
    expect(memorized.notes).toEqual([expect.stringMatching(/^two: exact memorization: 1 of 5 answers/)]);
    // Of another number of items there is no pair.
    expect(memorized.models[1]!.cells[0]!.standing).toBe('best');
  });
});

describe('what does not belong into one table', () => {
  const good = logOf({ forget: [0.5, 0.5] }, { data: { forget: 'aa' }, embedder: 'mini' });
  test.each([
    ['profile', logOf({ forget: [0.5, 0.5] }, { profile: 'soul' satisfies ProfileName }), 'SOUL_INVALID_ARGUMENT'],
    ['split', logOf({ forget: [0.5, 0.5] }, { split: 'forget05' }), 'SOUL_INVALID_ARGUMENT'],
    ['limit', logOf({ forget: [0.5, 0.5] }, { limit: 2 }), 'SOUL_INVALID_ARGUMENT'],
    ['data of forget', logOf({ forget: [0.5, 0.5] }, { data: { forget: 'bb' } }), 'SOUL_INVALID_ARGUMENT'],
    ['embedder', logOf({ forget: [0.5, 0.5] }, { embedder: 'other' }), 'SOUL_INVALID_ARGUMENT'],
    ['has 2 items and 3', logOf({ forget: [0.5, 0.5, 0.5] }), 'SOUL_BAD_DATA'],
  ])('%s', (words, other, code) => {
    const logs = [
      { name: 'a', log: good },
      { name: 'b', log: other },
    ];
    expect(() => compareLogs(logs)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(words) }));
    expect(() => compareLogs(logs)).toThrow(/a and b cannot stand in one table/);
  });

  test('but a log of another project, which does not say how it was made, does', () => {
    const logs = [
      { name: 'a', log: logOf({ forget: [0.5, 0.5] }, { profile: 'open-unlearning', limit: 2 }) },
      { name: 'b', log: { ...logOf({ forget: [0.4, 0.5] }), recorded: { profile: 'open-unlearning' } as const } },
    ];
    // Texts of other projects may have space around them.
    const [item] = logs[1]!.log.sets.forget!;
    Object.assign(item!.texts!, { answer: ' a0\n' });
    expect(compareLogs(logs, { resamples: 2 }).models).toHaveLength(2);
  });

  test('other questions', () => {
    const other = logOf({ forget: [0.5, 0.5] });
    const [item, ...rest] = other.sets.forget!;
    const changed = {
      ...other,
      sets: { ...other.sets, forget: [{ ...item!, texts: { ...item!.texts!, answer: 'x' } }, ...rest] },
    };
    expect(() =>
      compareLogs([
        { name: 'a', log: good },
        { name: 'b', log: changed },
      ]),
    ).toThrow(/item "0", has the answers/);
  });

  test.each([
    [{ baseline: 'c' }, /baseline must be one of the models a/],
    [{ baselin: 'a' }, /baselin/],
  ])('options %p', (options, message) => {
    expect(() => compareLogs([{ name: 'a', log: good }], options as never)).toThrow(message);
  });

  test.each([
    ['modelutility', /did you mean modelUtility/],
    ['retain.forgetQuality', /must name a layout \(short, soul, full\)/],
    ['', /must name a layout/],
    ['constructor', /must name a layout/],
  ])('a table of %p', (name, message) => {
    expect(() => comparisonLayout(name)).toThrow(message);
  });
});
