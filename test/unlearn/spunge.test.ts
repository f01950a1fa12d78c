import { describe, expect, test } from '@jest/globals';
import type { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { maskOfRanges } from '../../lib/core/frozen-masks.ts';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { methodOfRun } from '../../lib/run/run-defaults.ts';
import { spunge } from '../../lib/unlearn/algorithms/spunge.ts';
import { taskArithmetic } from '../../lib/unlearn/algorithms/task-arithmetic.ts';
import { algorithm, type DataSets, Lab, type LabOptions, type RunEvent, settingsOf } from '../../lib/unlearn/index.ts';
import { partsByGroup, randomParts } from '../../lib/unlearn/parts.ts';
import { BigramLM } from '../model/bigram-lm.ts';

const size = 8;
const target: TokenSequence[] = Array.from({ length: 7 }, (_, i) => ({
  tokens: [i % 4, (i + 1) % 4, (2 * i + 1) % 4, 4],
  labelsFrom: 1,
}));
const retain: TokenSequence[] = [4, 5].map((first) => ({ tokens: [first, 6, 7, first], labelsFrom: 1 }));
const groups = ['a', 'b', 'a', 'c', 'b', 'b', 'a'];
const refusals = { count: 2, of: (i: number, r: number) => ({ tokens: [i, 5 + r], labelsFrom: 1 }) };
const sets: DataSets = { target, retain, groups, refusals };

const labOf = (model: BigramLM, more: Partial<LabOptions> = {}) =>
  new Lab({
    model,
    sets,
    optimizer: (options) => new AdamW(model.parameters, { learningRate: 0.05, weightDecay: 0, ...options }),
    descent: { epochs: 4, batchSize: 2 },
    seed: 6n,
    ...more,
  });

async function run(model: BigramLM, given: object, more: Partial<LabOptions> = {}): Promise<RunEvent[]> {
  const lab = labOf(model, more);
  const events: RunEvent[] = [];
  try {
    for await (const event of spunge.run(lab, settingsOf(spunge, given))) events.push(event);
  } finally {
    await lab.release();
  }
  return events;
}

/** What a method makes of some of the examples, in a lab of its own. */
async function alone(start: BigramLM, own: DataSets, name = 'npo'): Promise<number[]> {
  const model = start.clone();
  const lab = labOf(model, { sets: own });
  const events =
    name === 'task-arithmetic' ? taskArithmetic.run(lab, { scale: 1 }) : lab.descend(methodOfRun(name as 'npo'));
  for await (const _ of events);
  await lab.release();
  return [...model.values];
}

const some = (indices: number[]): DataSets => ({
  target: indices.map((i) => target[i]!),
  retain,
  refusals: { count: 2, of: (i, r) => refusals.of(indices[i]!, r) },
});
const byGroup = [[0, 2, 6], [1, 4, 5], [3]];

describe('SPUNGE', () => {
  test.each(['mean', 'sum', 'ties'] as const)('of one part is the method inside alone (%s)', async (merge) => {
    for (const method of ['npo', 'po', 'task-arithmetic']) {
      const model = BigramLM.random(size, 2n);
      const expected = await alone(model, sets, method);
      await run(model, { method, parts: 1, merge, density: 1 });
      expected.forEach((value, i) => {
        expect(model.values[i]).toBeCloseTo(value, 6);
      });
    }
  });

  test.each(['mean', 'sum', 'ties'] as const)('by groups merges what each changed alone (%s)', async (merge) => {
    const lambda = 0.7;
    const model = BigramLM.random(size, 2n);
    const start = [...model.values];
    const ends = await Promise.all(byGroup.map((indices) => alone(model, some(indices), 'po')));
    const events = await run(model, { method: 'po', attribute: 'of the lab', merge, density: 1, lambda });
    start.forEach((before, i) => {
      const deltas = ends.map((end) => end[i]! - before);
      const sum = deltas.reduce((a, b) => a + b, 0);
      const agreeing = deltas.filter((delta) => delta * sum > 0);
      const expected = {
        sum,
        mean: sum / 3,
        ties: agreeing.reduce((a, b) => a + b, 0) / Math.max(1, agreeing.length),
      }[merge];
      expect(model.values[i]).toBeCloseTo(before + lambda * expected, 5);
    });
    const stages = events.flatMap((event) => (event.kind === 'stage' ? [event.name] : []));
    expect(stages).toEqual(['part a: 3 examples', 'part b: 3 examples', 'part c: 1 examples', 'merging']);
    // Four epochs of each, of 2, 2 and 1 steps.
    expect(events.filter(({ kind }) => kind === 'step')).toHaveLength(4 * (2 + 2 + 1));
  });

  test('trims to a share of the weights, not of the padding of their buffers', async () => {
    const model = BigramLM.random(size, 2n);
    const start = [...model.values.slice(0, size ** 2)];
    const end = await alone(model, sets);
    const changes = start.map((value, i) => Math.abs(Math.fround(end[i]! - value)));
    const least = [...changes].sort((a, b) => b - a)[size ** 2 / 4 - 1]!;
    expect(least).toBeGreaterThan(0);
    await run(model, { parts: 1, merge: 'ties', density: 0.25 });
    start.forEach((value, i) => {
      expect(model.values[i] !== value).toBe(changes[i]! >= least);
    });
  });

  test('trims to a share of the weights that may move', async () => {
    const start = BigramLM.random(size, 2n);
    const frozen = maskOfRanges(start.values.length, [{ start: 5, length: 20 }]);
    const changesAt = async (density: number) => {
      const model = start.clone();
      await run(model, { parts: 1, merge: 'ties', density }, { frozen });
      return Array.from(model.values.slice(0, size ** 2), (value, i) =>
        Math.abs(Math.fround(value - start.values[i]!)),
      );
    };
    const all = await changesAt(1);
    expect(all.every((change, i) => i < 5 || i >= 25 || change === 0)).toBe(true);
    const least = [...all].sort((a, b) => b - a)[(size ** 2 - 20) / 4 - 1]!;
    expect(least).toBeGreaterThan(0);
    expect((await changesAt(0.25)).map((change) => change > 0)).toEqual(all.map((change) => change >= least));
  });

  test('holds one task vector where they are added, and those of all parts for TIES', async () => {
    for (const [merge, expected] of [
      ['sum', 1],
      ['mean', 1],
      ['ties', 3],
    ] as const) {
      const model = BigramLM.random(size, 2n);
      let scratch = 0;
      class Counting extends Lab {
        override scratch(): FlatBuffer<'f32'> {
          scratch += 1;
          return super.scratch();
        }
      }
      const optimizer = () => new AdamW(model.parameters);
      const lab = new Counting({ model, sets, optimizer, descent: { steps: 1 } });
      for await (const _ of spunge.run(lab, settingsOf(spunge, { attribute: 'of the lab', merge })));
      await lab.release();
      expect(scratch).toBe(expected);
    }
  });

  test('needs what the method inside needs', () => {
    const needs = (given: object) => spunge.needs(settingsOf(spunge, given));
    expect(needs({})).toEqual(['retain']);
    expect(needs({ method: 'po', attribute: 'author' })).toEqual(['refusals', 'retain', 'groups']);
    expect(needs({ method: 'ascent' })).toEqual([]);
    expect(needs({ method: 'task-arithmetic' })).toEqual([]);
    expect(() => needs({ method: 'spunge' })).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
    expect(algorithm('spunge').name).toBe('spunge');
  });

  test.each<[object, Partial<LabOptions>, string]>([
    [{ parts: 8 }, {}, 'parts'],
    [{ attribute: 'author' }, { sets: { target, retain } }, 'groups'],
    [{ attribute: 'author' }, { sets: { ...sets, groups: ['a'] } }, 'groups'],
  ])('refuses %j where that cannot be', async (given, more, argument) => {
    const model = BigramLM.random(size, 2n);
    const before = [...model.values];
    await expect(run(model, given, more)).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      details: { argument },
    });
    expect([...model.values]).toEqual(before);
  });

  test.each([{ parts: 0 }, { density: 0 }, { density: 1.1 }, { lambda: -1 }, { merge: 'median' }, { attribute: '' }])(
    'refuses the settings %j',
    (given) => {
      expect(() => settingsOf(spunge, given)).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
    },
  );
});

describe('parts of the forget set', () => {
  test('drawn at random hold each example once, are of like size, and are the same for one seed', () => {
    for (const count of [1, 2, 3, 7]) {
      const parts = randomParts(sets, count, 1n);
      const members = parts.map((part) => part.target.map((sequence) => target.indexOf(sequence)));
      expect(members.flat().sort()).toEqual(target.map((_, i) => i));
      const sizes = members.map(({ length }) => length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      for (const [p, part] of parts.entries()) {
        expect(members[p]).toEqual([...members[p]!].sort());
        expect(part.retain).toBe(retain);
        expect(part.groups).toEqual(members[p]!.map((i) => groups[i]));
        expect(members[p]!.map((_, own) => part.refusals!.of(own, 1))).toEqual(
          members[p]!.map((i) => refusals.of(i, 1)),
        );
      }
      expect(randomParts(sets, count, 1n).map((part) => part.target)).toEqual(parts.map((part) => part.target));
    }
    expect(randomParts(sets, 2, 2n)[0]!.target).not.toEqual(randomParts(sets, 2, 1n)[0]!.target);
  });

  test('by group take their other answers with them', () => {
    const alternatives = target.map((sequence) => [sequence]);
    const parts = partsByGroup({ ...sets, alternatives });
    expect(parts.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    parts.forEach(({ sets: part }, p) => {
      expect(part.target).toEqual(byGroup[p]!.map((i) => target[i]));
      expect(part.alternatives).toEqual(byGroup[p]!.map((i) => alternatives[i]));
    });
  });
});
