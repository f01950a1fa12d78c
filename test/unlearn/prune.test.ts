import { describe, expect, test } from '@jest/globals';
import { maskOfRanges } from '../../lib/core/frozen-masks.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { prune } from '../../lib/unlearn/algorithms/prune.ts';
import { Lab, type LabOptions, type RunEvent, settingsOf } from '../../lib/unlearn/index.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { layeredModel, retain, target, tensorOf, tokens } from './layered-model.ts';
import { NarrowModel } from './narrow-model.ts';

const all = Array.from({ length: tokens ** 2 }, (_, i) => i);
const isMatrix = (i: number) => tensorOf(i)?.endsWith('mlp') ?? false;

async function run(given: object, more: Partial<LabOptions> = {}, model: LabOptions['model'] = layeredModel()) {
  const start = [...(await model.parameters.values.toFloat32Array())];
  const lab = new Lab({
    model,
    sets: { target, retain },
    optimizer: (options) => new AdamW(model.parameters, { learningRate: 0.05, weightDecay: 0.1, ...options }),
    descent: { steps: 3, batchSize: 2 },
    ...more,
  });
  const events: RunEvent[] = [];
  try {
    for await (const event of prune.run(lab, settingsOf(prune, given))) events.push(event);
  } finally {
    await lab.release();
  }
  const notes = events.flatMap((event) => (event.kind === 'note' ? [event.text] : []));
  return { start, values: [...(await model.parameters.values.toFloat32Array())], notes };
}

/** The smallest of some weights, by a sort. */
function smallest(values: readonly number[], among: readonly number[], share: number): Set<number> {
  const order = [...among].sort((a, b) => Math.abs(values[a]!) - Math.abs(values[b]!));
  return new Set(order.slice(0, among.length - Math.round((1 - share) * among.length)));
}

describe('prune', () => {
  test.each([0.1, 0.25, 0.9])('sets the share %p of the smallest weights of matrices to 0 for good', async (share) => {
    const { start, values, notes } = await run({ share });
    const pruned = smallest(start, all.filter(isMatrix), share);
    for (const i of all) expect([i, values[i] === 0]).toEqual([i, pruned.has(i)]);
    expect(all.some((i) => isMatrix(i) && values[i] !== start[i] && !pruned.has(i))).toBe(true);
    expect(notes).toEqual([`${((100 * pruned.size) / 506).toFixed(1)} % of 506 weights of matrices are pruned`]);
  });

  test('leaves to the bit what the run has frozen, and takes its share of the others', async () => {
    const held = (i: number) => i >= 300 && i < 600;
    const frozen = maskOfRanges(tokens ** 2, [{ start: 300, length: 300 }]);
    const { start, values } = await run({ share: 0.5 }, { frozen });
    const pruned = smallest(
      start,
      all.filter((i) => isMatrix(i) && !held(i)),
      0.5,
    );
    for (const i of all) {
      if (held(i)) expect([i, values[i]]).toEqual([i, start[i]]);
      else expect([i, values[i] === 0]).toEqual([i, pruned.has(i)]);
    }
  });

  test('keeps them at 0 where an optimizer steps float32 masters of bf16 weights', async () => {
    const model = await NarrowModel.of(BigramLM.random(8, 5n));
    const short = [{ tokens: [0, 1, 2, 3], labelsFrom: 1 }];
    const { start, values } = await run({ share: 0.25 }, { sets: { target: short, retain: short } }, model);
    const pruned = smallest(start.slice(0, 64), all.slice(0, 64), 0.25);
    // Rounded to bf16, weights may be equal to the threshold: those stay.
    const zeros = values.slice(0, 64).flatMap((value, i) => (value === 0 ? [i] : []));
    expect(zeros.length).toBeGreaterThan(12);
    for (const i of zeros) expect(pruned).toContain(i);
  });

  test('refuses a model without a matrix that may be pruned, what is not finite, and a method that there is not', async () => {
    const frozen = maskOfRanges(tokens ** 2, [{ start: 256, length: 512 }]);
    await expect(run({}, { frozen })).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
    const model = layeredModel();
    model.inner.values[300] = Number.NaN;
    await expect(run({}, {}, model)).rejects.toMatchObject({ code: 'SOUL_NON_FINITE' });
    for (const share of [0, 1]) expect(() => settingsOf(prune, { share })).toThrow(/share must be a number above 0/);
    expect(() => prune.needs(settingsOf(prune, { method: 'magic' }))).toThrow(/method must be one of ascent/);
    const controller = new AbortController();
    controller.abort();
    const before = layeredModel();
    const cancelled = run({}, { signal: controller.signal }, before);
    await expect(cancelled).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
    expect([...before.inner.values]).toEqual([...layeredModel().inner.values]);
  });
});
