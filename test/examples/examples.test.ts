import { expect, test } from '@jest/globals';
import { fitRegression } from '../../examples/optimizer.ts';
import { boundedCrossEntropy } from '../../examples/own-objective.ts';

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
