import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FlatBuffer, maskOfRanges, maskWhereZero, SoulError } from '../../lib/index.ts';
import { underEveryConfiguration } from '../native/configurations.ts';

/** The mask of a list, by definition. */
function maskOf(frozen: readonly boolean[]): number[] {
  const bytes = new Array<number>(Math.ceil(frozen.length / 8)).fill(0);
  for (const [i, set] of frozen.entries()) if (set) bytes[Math.floor(i / 8)]! += 2 ** (i % 8);
  return bytes;
}

const anything = (value: unknown) => value as never;

describe('maskOfRanges', () => {
  test('sets the bits of its ranges, which may overlap', () => {
    const cases = fc.integer({ min: 0, max: 100 }).chain((length) => {
      const range = fc.tuple(fc.nat(length), fc.nat(length)).map(([one, two]) => {
        const start = Math.min(one, two);
        return { start, length: Math.max(one, two) - start };
      });
      return fc.tuple(fc.constant(length), fc.array(range, { maxLength: 5 }));
    });
    fc.assert(
      fc.property(cases, ([length, ranges]) => {
        const frozen = Array.from({ length }, (_, i) =>
          ranges.some((range) => i >= range.start && i < range.start + range.length),
        );
        const mask = maskOfRanges(length, ranges);
        expect(mask.dtype).toBe('u8');
        expect([...mask.array]).toEqual(maskOf(frozen));
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test.each<[string, number, unknown]>([
    ['a fractional length', 1.5, []],
    ['no ranges', 10, undefined],
    ['a range that is none', 10, [null]],
    ['a start past the end', 10, [{ start: 11, length: 0 }]],
    ['an end past the end', 10, [{ start: 5, length: 6 }]],
    ['a negative length', 10, [{ start: 5, length: -1 }]],
    ['a missing length', 10, [{ start: 5 }]],
  ])('refuses %s', (_, length, ranges) => {
    expect(() => maskOfRanges(length, anything(ranges))).toThrow(
      expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }),
    );
  });
});

describe('maskWhereZero', () => {
  const numbers = fc.array(fc.constantFrom(0, -0, 1, -1, 1e-45, -1e-40, Number.NaN, Infinity, 0, 0), { maxLength: 70 });

  test('sets the bits of elements that are 0 or -0, and of nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(
        numbers,
        fc.constantFrom('f32' as const, 'bf16' as const),
        fc.nat(3),
        async (list, dtype, skew) => {
          const buffer = FlatBuffer.alloc(list.length + skew, { dtype }).view(skew);
          await buffer.copyFrom(Float64Array.from(list));
          const held = await buffer.toFloat32Array();
          const mask = await maskWhereZero(buffer);
          expect(mask.dtype).toBe('u8');
          expect([...mask.array]).toEqual(maskOf(Array.from(held, (x) => x === 0)));
        },
      ),
      { seed: 2, numRuns: 300 },
    );
  });

  test.each(['f32', 'bf16'] as const)('of nothing is nothing: %s', async (dtype) => {
    expect(await maskWhereZero(FlatBuffer.alloc(0, { dtype }))).toMatchObject({ length: 0, dtype: 'u8' });
    expect(maskOfRanges(0, [{ start: 0, length: 0 }])).toMatchObject({ length: 0, dtype: 'u8' });
  });

  test('of long buffers, the same under every configuration', async () => {
    const length = 4 * 16_384 + 1003;
    const buffer = FlatBuffer.alloc(length + 1).view(1);
    for (let i = 0; i < length; i++) buffer.array[i] = (Math.imul(i, 0x9e3779b1) >>> 28) % 3;
    const expected = maskOf(Array.from(buffer.array, (x) => x === 0));
    const results = await underEveryConfiguration(async () => [...(await maskWhereZero(buffer)).array]);
    for (const mask of results.values()) expect(mask).toEqual(expected);
  });

  test('takes its turn, and refuses what holds no numbers', async () => {
    const buffer = FlatBuffer.alloc(10);
    buffer.fill(1);
    const mask = maskWhereZero(buffer);
    buffer.fill(0);
    expect([...(await mask).array]).toEqual([0, 0]);
    for (const wrong of [FlatBuffer.alloc(3, { dtype: 'u8' }), new Float32Array(3), undefined]) {
      await expect(maskWhereZero(anything(wrong))).rejects.toThrow(SoulError);
    }
    buffer.release();
    await expect(maskWhereZero(buffer)).rejects.toMatchObject({ code: 'SOUL_RELEASED' });
  });
});
