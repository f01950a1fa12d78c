import { describe, expect, test } from '@jest/globals';
import {
  addSign,
  axpy,
  cast,
  countNonFinite,
  dot,
  FlatBuffer,
  gram,
  quantile,
  type RoundingOptions,
  SoulError,
  scale,
  softThreshold,
  squaredNorm,
} from '../../../lib/index.ts';

const anything = (value: unknown) => value as never;

async function rejectionOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof SoulError) return error.code;
    throw error;
  }
  return 'no error';
}

test.each(['f32', 'bf16'] as const)('buffers of length 0 do nothing and sum to 0: %s', async (dtype) => {
  const [a, b] = [FlatBuffer.alloc(0, { dtype }), FlatBuffer.alloc(3, { dtype: 'bf16' }).view(3)];
  const stochastic: RoundingOptions = { rounding: 'stochastic', seed: 1n };
  expect(await Promise.all([dot(a, b), squaredNorm(b), countNonFinite(a)])).toEqual([0, 0, 0]);
  expect(await gram([a, b])).toEqual([
    [0, 0],
    [0, 0],
  ]);
  for (const options of [{}, stochastic]) {
    await Promise.all([axpy(2, a, b, options), scale(b, 2, options), cast(a, b, options), cast(b, a, options)]);
    await Promise.all([addSign(2, a, b, options), softThreshold(b, 2, options)]);
  }
  for (const kind of ['product', 'ratio'] as const) expect(await quantile({ of: kind, a, b }, 0.5)).toBeNaN();
});

describe('what cannot be computed with is refused', () => {
  const one = FlatBuffer.alloc(4);
  const other = FlatBuffer.alloc(5);
  const bytes = FlatBuffer.alloc(4, { dtype: 'u8' });

  test.each<[string, () => Promise<unknown>]>([
    ['bytes: squaredNorm', () => squaredNorm(bytes)],
    ['bytes: countNonFinite', () => countNonFinite(bytes)],
    ['bytes: axpy', () => axpy(1, one, bytes)],
    ['bytes: addSign', () => addSign(1, bytes, one)],
    ['bytes: softThreshold', () => softThreshold(bytes, 1)],
    ['bytes: cast', () => cast(bytes, one)],
    ['bytes: quantile', () => quantile({ of: 'ratio', a: one, b: bytes }, 0.5)],
    ['lengths: dot', () => dot(one, other)],
    ['lengths: gram', () => gram([one, one, other])],
    ['lengths: axpy', () => axpy(1, other, one)],
    ['lengths: cast', () => cast(one, other)],
    ['lengths: quantile', () => quantile({ of: 'product', a: one, b: other }, 0.5)],
    ['no buffers', () => gram([])],
    ['five buffers', () => gram([one, one, one, one, one])],
    ['a list with holes', () => gram(new Array(2))],
    ['no list', () => gram(anything(one))],
    ['no buffer', () => squaredNorm(anything(new Float32Array(4)))],
    ['alpha: NaN', () => axpy(Number.NaN, one, one)],
    ['alpha: beyond float32', () => axpy(1e39, one, one)],
    ['by: below 0', () => softThreshold(one, -1)],
    ['by: infinite', () => softThreshold(one, Infinity)],
    ['frozen: of another length', () => softThreshold(one, 1, { frozen: FlatBuffer.alloc(2, { dtype: 'u8' }) })],
    ['factor: text', () => scale(one, anything('2'))],
    ['rounding: its name', () => scale(one, 2, { rounding: anything('up') })],
    ['rounding: no seed', () => scale(one, 2, { rounding: 'stochastic' })],
    ['rounding: a seed that is a number', () => cast(one, one, { seed: anything(1) })],
    ['rounding: a negative seed', () => cast(one, one, { rounding: 'stochastic', seed: -1n })],
    ['rounding: a fractional count', () => cast(one, one, { rounding: 'stochastic', seed: 1n, count: 0.5 })],
    ['rounding: null', () => cast(one, one, anything(null))],
    ['rounding: a name that is none', () => axpy(1, one, one, anything({ round: 'stochastic', seed: 1n }))],
    ['rounding: a list', () => scale(one, 2, anything([]))],
    ['fraction: 1.5', () => quantile({ of: 'magnitude', a: one }, 1.5)],
    ['fraction: NaN', () => quantile({ of: 'magnitude', a: one }, Number.NaN)],
    ['of: its name', () => quantile({ of: anything('sum'), a: one }, 0.5)],
    ['a ratio of one', () => quantile(anything({ of: 'ratio', a: one }), 0.5)],
    ['terms: a name that is none', () => quantile(anything({ of: 'magnitude', a: one, c: one }), 0.5)],
    ['no terms', () => quantile(anything(undefined), 0.5)],
  ])('%s', async (_, call) => {
    expect(await rejectionOf(call())).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('names that are none, with a hint', async () => {
    const round = anything({ round: 'stochastic', seed: 1n });
    for (const call of [() => axpy(1, one, one, round), () => scale(one, 1, round), () => cast(one, one, round)]) {
      await expect(call()).rejects.toThrow(/no option round; did you mean (rounding|count)\?/);
    }
    await expect(scale(one, 1, anything({ Seed: 1n }))).rejects.toThrow(/did you mean seed\?/);
  });

  test('memory that is shared in part', async () => {
    const buffer = FlatBuffer.alloc(10);
    expect(await rejectionOf(axpy(1, buffer.view(0, 5), buffer.view(4, 5)))).toBe('SOUL_ALIASED');
    expect(await rejectionOf(axpy(1, buffer.view(4, 5), buffer.view(0, 5)))).toBe('SOUL_ALIASED');
    expect(await rejectionOf(axpy(1, buffer.view(0, 5), buffer.view(5, 5)))).toBe('no error');
    const halves = FlatBuffer.from(new Uint16Array(buffer.array.buffer, buffer.array.byteOffset, 10));
    expect(await rejectionOf(axpy(1, halves, buffer))).toBe('SOUL_ALIASED');
    expect(await rejectionOf(cast(buffer, halves))).toBe('SOUL_ALIASED');
    expect(await rejectionOf(halves.copyFrom(buffer))).toBe('SOUL_ALIASED');
  });

  test('released memory', async () => {
    const gone = FlatBuffer.alloc(4);
    gone.release();
    for (const call of [
      () => squaredNorm(gone),
      () => gram([one, gone]),
      () => axpy(1, gone, one),
      () => axpy(1, one, gone),
      () => addSign(1, one, gone),
      () => scale(gone, 1),
      () => softThreshold(gone, 1),
      () => cast(one, gone),
      () => quantile({ of: 'product', a: one, b: gone }, 0),
    ]) {
      expect(await rejectionOf(call())).toBe('SOUL_RELEASED');
    }
  });
});
