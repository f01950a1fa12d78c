import { describe, expect, test } from '@jest/globals';
import { partOf, tasksOf } from '../../lib/study/index.ts';
import { haltonBases, haltonCoordinate, inRange, radicalInverse } from '../../lib/study/search/halton.ts';
import { smallStudy } from './small-study.ts';

describe('Halton points', () => {
  test('the radical inverse mirrors digits, in closed form', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8].map((index) => radicalInverse(index, 2))).toEqual([
      1 / 2,
      1 / 4,
      3 / 4,
      1 / 8,
      5 / 8,
      3 / 8,
      7 / 8,
      1 / 16,
    ]);
    const inThirds = [1 / 3, 2 / 3, 1 / 9, 4 / 9, 7 / 9, 2 / 9, 5 / 9, 8 / 9];
    for (const [i, expected] of inThirds.entries()) expect(radicalInverse(i + 1, 3)).toBeCloseTo(expected, 14);
    expect(radicalInverse(7, 5)).toBeCloseTo(2 / 5 + 1 / 25, 14);
    for (let digits = 1; digits <= 10; digits++)
      expect(radicalInverse(5 ** digits, 5)).toBeCloseTo(5 ** -(digits + 1), 14);
  });

  test('are those moved by one offset for each dimension, another for another seed', () => {
    const offsets = haltonBases.map((base, dimension) => {
      const all = Array.from({ length: 20 }, (_, i) => {
        const found = haltonCoordinate(9n, i, dimension);
        expect(found).toBeGreaterThanOrEqual(0);
        expect(found).toBeLessThan(1);
        return (found - radicalInverse(i + 1, base) + 1) % 1;
      });
      for (const each of all) expect(each).toBeCloseTo(all[0]!, 12);
      return all[0]!;
    });
    expect(new Set(offsets).size).toBe(3);
    expect(haltonCoordinate(10n, 0, 0)).not.toBe(haltonCoordinate(9n, 0, 0));
  });

  test('fill each half of a dimension evenly', () => {
    for (const dimension of [0, 1, 2]) {
      const low = Array.from({ length: 60 }, (_, i) => haltonCoordinate(3n, i, dimension)).filter((u) => u < 0.5);
      expect(Math.abs(low.length - 30)).toBeLessThanOrEqual(3);
    }
  });

  test('lie in a range on a logarithmic scale', () => {
    expect(inRange([0.25, 4], 0)).toBe(0.25);
    expect(inRange([0.25, 4], 0.5)).toBe(1);
    expect(inRange([0.01, 1], 0.25)).toBe(0.03162);
    expect(inRange([2, 2], 0.7)).toBe(2);
  });
});

const study = smallStudy({
  models: ['a', 'b'].map((name) => ({ name, made: 'demo' as const })),
  splits: ['x', 'y'].map((name) => ({ name, made: 'demo' as const })),
  methods: ['graddiff', 'ascent'],
  optimizers: ['adamw', 'gnb', 'sign'],
  ...{ trials: 3, draws: 2, seed: 5 },
});
const tasks = tasksOf(study);

describe('the trials of a study', () => {
  test('are all of them, each once', () => {
    expect(tasks).toHaveLength(2 * 2 * 2 * 3 * 3 * 2);
    expect(new Set(tasks.map(({ id }) => id)).size).toBe(tasks.length);
    for (const { id } of tasks) expect(id).toMatch(/^[\w.-]+$/);
    expect(tasks[0]!.id).toBe('a.x.graddiff.adamw.d0.t0');
    expect(tasks.at(-1)!.id).toBe('b.y.ascent.sign.d1.t2');
  });

  test('are sorted by draw, trial, model, split, method and optimizer, so that every round is equal', () => {
    const place = (task: (typeof tasks)[number]) =>
      [
        task.draw,
        task.trial,
        ['a', 'b'].indexOf(task.model),
        ['x', 'y'].indexOf(task.split),
        ['graddiff', 'ascent'].indexOf(task.method),
        ['adamw', 'gnb', 'sign'].indexOf(task.optimizer),
      ].join('');
    const places = tasks.map(place);
    expect(places).toEqual([...places].sort());
    const round = tasks.slice(0, tasks.length / 6);
    for (const optimizer of ['adamw', 'gnb', 'sign']) {
      expect(round.filter((task) => task.optimizer === optimizer)).toHaveLength(round.length / 3);
    }
  });

  test('take the same points with every optimizer and draw, within the ranges', () => {
    for (const { trial, method, optimizer, searched } of tasks) {
      const { learningRateFactor, retainCoefficient, clippedFraction } = searched;
      const [rate, retain, clipped] = [0, 1, 2].map((dimension) => haltonCoordinate(5n, trial, dimension));
      expect(learningRateFactor).toBeCloseTo(0.25 * 16 ** rate!, 3);
      expect(learningRateFactor).toBeGreaterThanOrEqual(0.25);
      expect(learningRateFactor).toBeLessThanOrEqual(4);
      // A run's retain coefficient is 5; ascent has none.
      if (method === 'ascent') expect(searched).not.toHaveProperty('retainCoefficient');
      else expect(retainCoefficient! / (5 * 0.5 * 8 ** retain!)).toBeCloseTo(1, 3);
      if (optimizer === 'gnb') expect(clippedFraction! / (0.01 * 50 ** clipped!)).toBeCloseTo(1, 3);
      else expect(searched).not.toHaveProperty('clippedFraction');
    }
  });

  test('more trials or draws leave those that there were as they were', () => {
    const more = new Map(tasksOf({ ...study, trials: 5, draws: 4 }).map((task) => [task.id, task]));
    for (const task of tasks) expect(more.get(task.id)).toEqual(task);
  });

  test('the coefficient of the method inside is searched, and one of 0 is not', () => {
    const [inside] = tasksOf(
      smallStudy({ methods: [{ name: 'sam', settings: { method: { name: 'npo', retainCoefficient: 2 } } }] }),
    );
    const [plain] = tasksOf(smallStudy({ methods: [{ name: 'graddiff', settings: { retainCoefficient: 2 } }] }));
    expect(inside!.searched).toEqual(plain!.searched);
    const [none] = tasksOf(smallStudy({ methods: [{ name: 'graddiff', settings: { retainCoefficient: 0 } }] }));
    expect(none!.searched).not.toHaveProperty('retainCoefficient');
  });

  test('parts are apart, and together all of them', () => {
    for (const count of [1, 2, 5, 7, 1000]) {
      const parts = Array.from({ length: count }, (_, i) => partOf(tasks, { part: i + 1, of: count }));
      const all = parts.flat();
      expect(all).toHaveLength(tasks.length);
      expect(new Set(all)).toEqual(new Set(tasks));
      const sizes = parts.map(({ length }) => length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      // The first part begins with the first task, the second with the second.
      for (const [i, own] of parts.entries()) expect(own[0]).toBe(tasks[i]);
    }
  });

  test.each([
    [{ part: 0, of: 2 }, /part must be an integer from 1 to 2/],
    [{ part: 3, of: 2 }, /part must be an integer from 1 to 2/],
    [{ part: 1, of: 0 }, /of must be an integer of at least 1/],
    [{ part: 1.5, of: 2 }, /part must be an integer/],
    [{ part: 1 }, /of must be an integer/],
    [{ part: 1, of: 2, from: 3 }, /part has no option from/],
  ])('part %j is refused', (part, message) => {
    expect(() => partOf(tasks, part as never)).toThrow(message);
  });
});
