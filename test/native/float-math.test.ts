import { describe, expect, test } from '@jest/globals';
import { nativeAddon } from '../../lib/core/addon.ts';

async function apply(name: 'exp' | 'log', inputs: Float32Array): Promise<Float32Array> {
  const output = new Float32Array(inputs.length);
  await nativeAddon().elementwise(name, inputs, output);
  return output;
}

/** Distance of float32 `found` from the exact `expected`, in units of the last place of the float32 near it. */
function unitsInTheLastPlace(found: number, expected: number): number {
  const exponent = Math.max(-126, Math.floor(Math.log2(Math.abs(expected))));
  return Math.abs(found - expected) / 2 ** (exponent - 23);
}

/** Every float32 of a stride over the bits, from `low` to `high`. */
function floats(low: number, high: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1));
}

function largestError(inputs: Float32Array, outputs: Float32Array, exact: (x: number) => number): number {
  let largest = 0;
  for (const [i, x] of inputs.entries()) largest = Math.max(largest, unitsInTheLastPlace(outputs[i]!, exact(x)));
  return largest;
}

describe('exp', () => {
  test.each([
    ['near 0', -1, 1],
    ['wide', -87, 88],
    ['denormal results', -103.9, -87.3],
  ])('is within 1.5 units in the last place: %s', async (_, low, high) => {
    const inputs = floats(low, high, 200_003);
    expect(largestError(inputs, await apply('exp', inputs), Math.exp)).toBeLessThan(1.5);
  });

  test('special values', async () => {
    const inputs = Float32Array.of(0, -0, -Infinity, Infinity, Number.NaN, 89, -200, 1e30, -1e30, 1e-45, 88.72);
    const expected = [1, 1, 0, Infinity, Number.NaN, Infinity, 0, Infinity, 0, 1];
    const outputs = await apply('exp', inputs);
    expect([...outputs.subarray(0, 10)]).toEqual(expected);
    expect(outputs[10]).toBeGreaterThan(3e38);
  });
});

describe('log', () => {
  test.each([
    ['near 1', 0.5, 2],
    ['small', 1e-20, 1e-18],
    ['large', 1, 1e30],
    ['denormal', 1.4e-45, 1e-38],
  ])('is within 1.5 units in the last place: %s', async (_, low, high) => {
    const inputs = floats(low, high, 200_003).filter((x) => x > 0 && x !== 1);
    expect(largestError(inputs, await apply('log', inputs), Math.log)).toBeLessThan(1.5);
  });

  test('special values', async () => {
    const inputs = Float32Array.of(1, 0, -0, -1, -Infinity, Infinity, Number.NaN);
    const expected = [0, -Infinity, -Infinity, Number.NaN, Number.NaN, Infinity, Number.NaN];
    expect([...(await apply('log', inputs))]).toEqual(expected);
  });
});
