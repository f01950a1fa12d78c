import { readdir, rm } from 'node:fs/promises';
import { expect, jest, test } from '@jest/globals';
import { fitRegression } from '../../examples/optimizer.ts';
import { boundedCrossEntropy } from '../../examples/own-objective.ts';
import { forgetWhileKept } from '../../examples/run-events.ts';
import { forgetOne } from '../../examples/zeroth-order.ts';
import { makeBigramRun } from '../run/bigram-run.ts';

test('the optimizer example lowers its loss', async () => {
  const { first, last } = await fitRegression(60);
  expect(first).toBeCloseTo(Math.log(2), 6);
  expect(last).toBeLessThan(0.7 * first);
  // The README says both: a rho that follows, and one that is kept.
  expect((await fitRegression(200)).last).toBeCloseTo(0.02, 2);
  expect((await fitRegression(200, false)).last).toBeCloseTo(0.15, 2);
});

test("the example's own objective has the derivative it gives", () => {
  const offsets = Uint32Array.of(0, 3);
  const values = Float32Array.of(0.125, 1, 5);
  const { weights } = boundedCrossEntropy({ values, offsets });
  const step = 2 ** -7;
  for (const i of values.keys()) {
    const lossAt = (shift: number) =>
      boundedCrossEntropy({ offsets, values: values.map((value, t) => (t === i ? value + shift : value)) }).loss;
    expect(weights[i]).toBeCloseTo((lossAt(step) - lossAt(-step)) / (2 * step), 4);
  }
});

test('the zeroth-order example forgets one of its facts and keeps the others', async () => {
  const { before, after } = await forgetOne(300);
  for (const probability of before) expect(probability).toBeCloseTo(Math.exp(5) / (Math.exp(5) + 5), 5);
  expect(after[0]).toBeLessThan(0.1);
  for (const probability of after.slice(1)) expect(probability).toBeGreaterThan(0.95);
});

test('the example of events follows a run to its result, or gives it up', async () => {
  const made = await makeBigramRun();
  const said = jest.spyOn(console, 'log').mockImplementation(() => {});
  try {
    const result = await forgetWhileKept(made.settings(), made.load(), 100);
    expect(result).toMatchObject({ out: made.path('out'), summary: { steps: 3 } });
    const growing = { out: made.path('other'), methodSettings: { retainCoefficient: 0.01 }, steps: 2000 };
    expect(await forgetWhileKept(made.settings(growing), made.load(), 0.01)).toBeUndefined();
    expect(await readdir(made.folder)).not.toContain('other');
    expect(said.mock.calls.flat()).toContain('training');
  } finally {
    said.mockRestore();
    await rm(made.folder, { recursive: true, force: true });
  }
});
