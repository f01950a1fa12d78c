import { describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { maskOfRanges } from '../../lib/core/frozen-masks.ts';
import type { TokenSequence } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { taskArithmetic } from '../../lib/unlearn/algorithms/task-arithmetic.ts';
import { type DescentSummary, Lab, type LabOptions, method, settingsOf, train } from '../../lib/unlearn/index.ts';
import { addTaskVector, taskVector } from '../../lib/unlearn/task-vector.ts';
import { BigramLM } from '../model/bigram-lm.ts';

const target: TokenSequence[] = [0, 1, 2].map((first) => ({ tokens: [first, 1, 2, 3], labelsFrom: 1 }));
const descent = { steps: 6, batchSize: 2 };
const learningRate = 0.05;

async function run(model: BigramLM, given: object = {}, more: Partial<LabOptions> = {}): Promise<DescentSummary> {
  const lab = new Lab({
    model,
    sets: { target },
    optimizer: (options) => new AdamW(model.parameters, { learningRate, weightDecay: 0, ...options }),
    descent,
    seed: 4n,
    ...more,
  });
  try {
    const events = taskArithmetic.run(lab, settingsOf(taskArithmetic, given));
    for (;;) {
      const { done, value } = await events.next();
      if (done) return value!;
    }
  } finally {
    await lab.release();
  }
}

describe('task arithmetic', () => {
  test.each([1, 0.4, 2.5])('goes %d times the way of fine-tuning, the other way', async (scale) => {
    const [model, tuned] = [BigramLM.random(8, 2n), BigramLM.random(8, 2n)];
    const start = [...model.values];
    const optimizer = new AdamW(tuned.parameters, { learningRate, weightDecay: 0 });
    await train({ model: tuned, optimizer, method: method('finetune'), target, ...descent, seed: 4n });
    const summary = await run(model, { scale });
    expect(summary).toMatchObject({ steps: 6, last: { step: 6 } });
    start.forEach((before, i) => {
      expect(model.values[i]).toBeCloseTo(before - scale * (tuned.values[i]! - before), 6);
      if (tuned.values[i] === before) expect(model.values[i]).toBe(before);
    });
    expect(Math.max(...start.map((before, i) => Math.abs(before - model.values[i]!)))).toBeGreaterThan(0.05 * scale);
  });

  test('at scale 0 leaves the model as it was, to the bit, and frozen weights at any', async () => {
    const model = BigramLM.random(8, 2n);
    const before = [...model.values];
    await run(model, { scale: 0 });
    expect([...model.values]).toEqual(before);
    const frozen = maskOfRanges(model.parameters.values.length, [{ start: 0, length: 20 }]);
    await run(model, {}, { frozen });
    expect([...model.values].slice(0, 20)).toEqual(before.slice(0, 20));
    expect([...model.values]).not.toEqual(before);
  });

  test.each([{ scale: -1 }, { scale: Number.POSITIVE_INFINITY }, { scael: 1 }])('refuses %j', (given) => {
    expect(() => settingsOf(taskArithmetic, given)).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
  });

  test('a task vector of bfloat16 weights is exact, and its sum with them is rounded once', async () => {
    const [values, start] = [0, 1].map(() => FlatBuffer.alloc(3, { dtype: 'bf16' })) as [FlatBuffer, FlatBuffer];
    await values.copyFrom(Float32Array.of(1, -0.0078125, 3));
    await start.copyFrom(Float32Array.of(1.0078125, 256, 3));
    const vector = FlatBuffer.alloc(3);
    await taskVector(values, start, vector);
    expect([...vector.array]).toEqual([-0.0078125, -256.0078125, 0]);
    await addTaskVector(values, start, -1, vector);
    const after = new Float32Array(3);
    await values.copyTo(after);
    // 512.0078125 is nearest to 512.
    expect([...after]).toEqual([1.015625, 512, 3]);
  });
});
