import { expect, test } from '@jest/globals';
import { describeWithEngine } from './engine-available.ts';
import {
  gradientError,
  loadRecorded,
  recordedBatch,
  recordedModels,
  withPortableAttention,
  worst,
} from './recorded-models.ts';

describeWithEngine.each(recordedModels)('as transformers computes it: %s', (_, recorded) => {
  const batch = recordedBatch(recorded);
  const pulled = Float32Array.from(recorded.pulled);

  test('nll and its gradients', async () => {
    const model = await loadRecorded(recorded);
    const pass = await model.nll(batch);
    expect(worst(pass.values, recorded.nll)).toBeLessThan(1e-5);
    expect([...pass.offsets]).toEqual([0, 6, 7, 16, 26, 27]);
    await pass.backward(pulled);
    expect(gradientError(model, recorded.gradients)).toBeLessThan(1e-3);
    model.release();
  });

  test('accumulate, in chunks of a few rows', async () => {
    const model = await loadRecorded(recorded, { logitsMemory: 5 * 67 * 4, threads: 1 });
    const values = await model.accumulate(batch, pulled);
    expect(worst(values, recorded.nll)).toBeLessThan(1e-5);
    expect(gradientError(model, recorded.gradients)).toBeLessThan(1e-3);
    model.release();
  });

  test('layers computed again give the same bits', async () => {
    const gradients = [];
    for (const checkpointActivations of [false, true]) {
      const model = await loadRecorded(recorded, { checkpointActivations });
      const pass = await model.nll(batch);
      await pass.backward(pulled);
      await model.accumulate(batch, pulled);
      gradients.push(model.parameters.gradients.array.slice());
      model.release();
    }
    expect(gradients[1]).toEqual(gradients[0]);
  });

  test('divergence from a reference and its gradients', async () => {
    const model = await loadRecorded(recorded, { logitsMemory: 7 * 67 * 4 });
    const reference = await loadRecorded(recorded, {}, 'other ');
    const pass = await model.klTo(reference, batch);
    expect(worst(pass.values, recorded.kl)).toBeLessThan(1e-5);
    await pass.backward(pulled);
    expect(gradientError(model, recorded.klGradients)).toBeLessThan(1e-3);
    expect(reference.parameters.gradients.array.every((value) => value === 0)).toBe(true);
    model.release();
    reference.release();
  });

  test('attention by the operation for every device', async () => {
    await withPortableAttention(async () => {
      const model = await loadRecorded(recorded, { logitsMemory: 5 * 67 * 4 });
      expect(worst(await model.accumulate(batch, pulled), recorded.nll)).toBeLessThan(1e-5);
      expect(gradientError(model, recorded.gradients)).toBeLessThan(1e-3);
      const prompts = recorded.generated.map(({ prompt }) => prompt);
      const expected = recorded.generated.map(({ tokens }) => tokens);
      expect(await model.generate(prompts, { maxNewTokens: 12 })).toEqual(expected);
      model.release();
    });
  });

  test('scores', async () => {
    const model = await loadRecorded(recorded);
    const scores = await model.score(batch);
    expect(
      worst(
        scores.logProbability,
        recorded.nll.map((value) => -value),
      ),
    ).toBeLessThan(1e-5);
    expect(worst(scores.mean, recorded.mean)).toBeLessThan(1e-5);
    expect(worst(scores.variance, recorded.variance)).toBeLessThan(2e-5);
    expect([...scores.isArgmax]).toEqual(recorded.isArgmax);
    expect([...scores.offsets]).toEqual([0, 6, 7, 16, 26, 27]);
    model.release();
  });

  test('greedy generation, all prompts at once', async () => {
    const model = await loadRecorded(recorded);
    const prompts = recorded.generated.map(({ prompt }) => prompt);
    expect(await model.generate(prompts, { maxNewTokens: 12 })).toEqual(recorded.generated.map(({ tokens }) => tokens));
    model.release();
  });
});
