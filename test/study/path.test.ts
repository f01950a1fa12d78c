import { describe, expect, test } from '@jest/globals';
import { SoulError } from '../../lib/core/errors.ts';
import { type WatchOptions, watch } from '../../lib/study/trial/path.ts';
import type { RunEvent, StepEvent } from '../../lib/unlearn/events.ts';

const levels = { forget: 0.9, retain: 0.8 };
const start = { validation: levels, test: levels };

interface MadeStep {
  readonly clipped?: number;
  readonly groups?: readonly { readonly name: string; readonly stepped: number; readonly clippedFraction: number }[];
  readonly skipped?: boolean;
  readonly estimateSeconds?: number;
}

/** The events of a descent of so many steps. */
async function* descent(steps: readonly MadeStep[], error?: Error): AsyncGenerator<RunEvent, undefined, void> {
  for (const [i, { clipped, groups = [], skipped = false, estimateSeconds }] of steps.entries()) {
    yield {
      ...{ kind: 'step', step: i + 1, steps: steps.length, epoch: (i + 1) / 4 },
      statistics: { skipped, groups, ...(clipped === undefined ? {} : { clippedFraction: clipped }) },
      ...(estimateSeconds === undefined ? {} : { curvature: { seconds: estimateSeconds } }),
    } as unknown as StepEvent;
  }
  if (error) throw error;
  return undefined;
}

function watched(steps: readonly MadeStep[], changes: Partial<WatchOptions> = {}, error?: Error) {
  let measured = 0;
  const measure = async () => {
    measured += 1;
    return { validation: { forget: 0.5 / measured, retain: 0.7 }, test: { forget: 0.4 / measured, retain: 0.6 } };
  };
  return watch(descent(steps, error), { points: 2, measuresOnTheWay: true, start, measure, ...changes });
}

const many = (count: number, step: MadeStep = {}) => Array.from({ length: count }, () => step);

describe('a descent that is watched', () => {
  test.each([
    [10, 4, [0, 3, 5, 8, 10]],
    [5, 5, [0, 1, 2, 3, 4, 5]],
    [2, 8, [0, 1, 2]],
    [1, 3, [0, 1]],
  ])('of %i steps is measured at %i places, evenly, the end among them', async (steps, points, places) => {
    const { path, steps: done } = await watched(many(steps), { points });
    expect(path.map(({ step }) => step)).toEqual(places);
    expect(path.map(({ epoch }) => epoch)).toEqual(places.map((step) => step / 4));
    expect(path[0]).toEqual({ step: 0, epoch: 0, ...start });
    expect(done).toBe(steps);
  });

  test('whose weights are no result on the way is measured at its end alone', async () => {
    const { path } = await watched(many(6), { measuresOnTheWay: false });
    expect(path.map(({ step }) => step)).toEqual([0, 6]);
  });

  test('has the mean of what was clipped since the point before, outside of the embeddings too', async () => {
    const steps = [0.1, 0.3, 0.5, 0.7].map((clipped) => ({
      clipped,
      groups: [
        { name: 'embedding', stepped: 1000, clippedFraction: 1 },
        { name: 'matrix', stepped: 30, clippedFraction: clipped },
        { name: 'vector', stepped: 10, clippedFraction: 0 },
      ],
    }));
    const { clipped } = await watched(steps);
    expect(clipped.map(({ step }) => step)).toEqual([2, 4]);
    for (const [i, mean] of [0.2, 0.6].entries()) {
      expect(clipped[i]!.share).toBeCloseTo(mean, 12);
      expect(clipped[i]!.outsideEmbeddings).toBeCloseTo((mean * 30) / 40, 12);
    }
    const [without] = (await watched(many(2, { clipped: 0.4 }))).clipped;
    expect(without).toEqual({ step: 1, share: 0.4 });
    expect((await watched(many(2))).clipped).toEqual([]);
  });

  test('counts estimates into its time, and measuring not', async () => {
    const slow = () => new Promise<typeof start>((resolve) => setTimeout(() => resolve(start), 200));
    const { cost } = await watched(many(4), { measure: slow });
    expect(cost.seconds).toBeLessThan(0.3);
    expect(cost.estimateShare).toBe(0);
    expect(cost.peakMemory).toBeGreaterThan(2 ** 20);
    // Told as longer than all: at most all of it.
    expect((await watched(many(4, { estimateSeconds: 1000 }))).cost.estimateShare).toBe(1);
  });

  test('diverged where none of its gradients was finite, and not where one was', async () => {
    const none = await watched(many(3, { skipped: true }));
    expect(none.reason).toBe('the gradient was not finite in any of 3 steps');
    const { reason } = await watched([...many(2, { skipped: true }), {}]);
    expect(reason).toBeUndefined();
  });

  test('diverged where a loss was not finite, with the path up to there', async () => {
    const error = new SoulError('SOUL_NON_FINITE', 'the loss is NaN');
    const { reason, path, steps } = await watched(many(4), {}, error);
    expect(reason).toBe('the loss is NaN (after step 4)');
    expect(path.map(({ step }) => step)).toEqual([0, 2, 4]);
    expect(steps).toBe(4);
    const measure = () => Promise.reject(error);
    expect((await watched(many(4), { measure })).reason).toBe('the loss is NaN (after step 2)');
    await expect(watched(many(4), {}, new Error('the machine is on fire'))).rejects.toThrow('on fire');
  });
});
