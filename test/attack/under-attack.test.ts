import { expect, test } from '@jest/globals';
import { attackModel, attackRecord, standingAttacks, whileAttacked } from '../../lib/attack/index.ts';
import { mean, probability } from '../../lib/eval/probability.ts';
import { BigramLM } from '../model/bigram-lm.ts';

const sequence = (...tokens: number[]) => ({ tokens, labelsFrom: 1 });
const forget = [sequence(0, 1), sequence(2, 3), sequence(0, 1, 4), sequence(2, 3, 5)];
const options = { steps: 12, share: 0.5, learningRate: 0.1, seed: 3n };

const known = async (model: BigramLM) => mean((await probability(model, forget)).map((item) => item.probability));

test('a model under attack is what attackModel measures, and is what it was afterwards', async () => {
  const model = BigramLM.of(8, new Float64Array(64));
  const before = model.values.slice();
  const inside = await whileAttacked({ model, forget }, 'relearn', options, async (outcome) => {
    expect(outcome).toMatchObject({ seen: 2, steps: 12 });
    expect(outcome.distance).toBeGreaterThan(0);
    return known(model);
  });
  expect(model.values).toEqual(before);
  expect(model.gradients.every((gradient) => gradient === 0)).toBe(true);
  const { attacks } = await attackModel({ model, forget: { sequences: forget } }, ['relearn'], options);
  expect(inside).toBe(attacks[0]!.forget!.after);
});

test('where the work or the attack fails, the model is put back, too', async () => {
  const model = BigramLM.of(8, new Float64Array(64));
  const before = model.values.slice();
  const failing = whileAttacked({ model, forget }, 'relearn', options, async () => {
    expect(model.values).not.toEqual(before);
    throw new Error('the work failed');
  });
  await expect(failing).rejects.toThrow('the work failed');
  expect(model.values).toEqual(before);
  const controller = new AbortController();
  const input = { model, forget, signal: controller.signal, onEvent: () => controller.abort() };
  const cancelled = whileAttacked(input, 'relearn', options, async () => undefined);
  await expect(cancelled).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
  expect(model.values).toEqual(before);
});

test('records tell attacks apart by what decides them, and what is wrong is refused', async () => {
  const defaults = attackRecord('relearn');
  expect(defaults).toEqual({
    ...{ name: 'relearn', share: 0.2, steps: 10, batchSize: 8 },
    learningRate: 1e-5,
    weightDecay: 0,
    seed: '0',
  });
  expect(attackRecord('relearn', { steps: 11 })).not.toEqual(defaults);
  expect(attackRecord('nf4', { steps: 11 })).toEqual({ name: 'nf4' });
  expect(standingAttacks.map(({ name }) => name)).toEqual(['relearn', 'nf4', 'fp4', 'int8']);
  const model = BigramLM.of(8, new Float64Array(64));
  const work = async () => undefined;
  await expect(whileAttacked({ model, forget }, 'nf5', {}, work)).rejects.toMatchObject({
    code: 'SOUL_INVALID_ARGUMENT',
  });
  await expect(whileAttacked({ model, forget: [] }, 'nf4', {}, work)).rejects.toThrow(/at least one example/);
  await expect(whileAttacked({ model, forget: [sequence(0, 9)] }, 'nf4', {}, work)).rejects.toThrow(/forget/);
  await expect(whileAttacked({ model, forget }, 'relearn', { steps: 0 }, work)).rejects.toThrow(/steps/);
});
