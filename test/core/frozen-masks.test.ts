import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { countFrozen } from '../../lib/core/frozen-masks.ts';
import { FlatBuffer, fillFrozen, maskOfRanges, maskWhereZero, SoulError } from '../../lib/index.ts';
import { nearestBfloat16 } from '../native/bfloat16.ts';
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

describe('fillFrozen', () => {
  const cases = fc.integer({ min: 0, max: 150 }).chain((length) =>
    fc.record({
      numbers: fc.array(fc.constantFrom(0, -0, 1.5, -3, 1e-40, Number.NaN, Infinity), {
        minLength: length,
        maxLength: length,
      }),
      frozen: fc.array(fc.boolean(), { minLength: length, maxLength: length }),
      dtype: fc.constantFrom('f32' as const, 'bf16' as const),
      skew: fc.nat(9),
      maskSkew: fc.nat(3),
      value: fc.constantFrom(0, -0, Number.NaN, -Infinity, 0.1, 1e300),
    }),
  );
  const rounded = (value: number, dtype: 'f32' | 'bf16') =>
    dtype === 'f32' ? Math.fround(value) : nearestBfloat16(Math.fround(value));

  test('sets what is frozen, NaN too, and nothing else, however memory lies', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ numbers, frozen, dtype, skew, maskSkew, value }) => {
        const whole = FlatBuffer.alloc(numbers.length + skew + 1, { dtype });
        await whole.fill(7);
        const buffer = whole.view(skew, numbers.length);
        await buffer.copyFrom(Float64Array.from(numbers));
        const held = await buffer.toFloat32Array();
        const bytes = maskOf(frozen);
        const mask = FlatBuffer.alloc(bytes.length + maskSkew, { dtype: 'u8' }).view(maskSkew);
        mask.array.set(bytes);
        await fillFrozen(buffer, mask, value);
        const expected = Array.from(held, (x, i) => (frozen[i] ? rounded(value, dtype) : x));
        const beside = new Array<number>(skew).fill(7);
        expect([...(await whole.toFloat32Array())]).toEqual([...beside, ...expected, 7]);
        expect([...mask.array]).toEqual(bytes);
      }),
      { seed: 3, numRuns: 400 },
    );
  });

  test('of long buffers, the same under every configuration', async () => {
    const length = 4 * 16_384 + 1003;
    const mask = maskOfRanges(length, [
      { start: 5, length: 20_000 },
      { start: 40_001, length: 1 },
      { start: 50_000, length: length - 50_000 },
    ]);
    const isFrozen = (i: number) => (i >= 5 && i < 20_005) || i === 40_001 || i >= 50_000;
    for (const dtype of ['f32', 'bf16'] as const) {
      const expected = Array.from({ length }, (_, i) => (isFrozen(i) ? 0 : 1));
      const results = await underEveryConfiguration(async () => {
        const buffer = FlatBuffer.alloc(length + 1, { dtype }).view(1);
        await buffer.fill(1);
        await fillFrozen(buffer, mask, 0);
        return [...(await buffer.toFloat32Array())];
      });
      for (const found of results.values()) expect(found).toEqual(expected);
    }
  });

  test('takes its turn', async () => {
    const buffer = FlatBuffer.alloc(10);
    const mask = maskOfRanges(10, [{ start: 0, length: 9 }]);
    buffer.fill(1);
    fillFrozen(buffer, mask, 2);
    await fillFrozen(buffer, maskOfRanges(10, [{ start: 0, length: 1 }]), 3);
    expect([...buffer.array]).toEqual([3, 2, 2, 2, 2, 2, 2, 2, 2, 1]);
  });

  test('refuses what is no mask of the buffer', async () => {
    const buffer = FlatBuffer.alloc(10);
    const codeOf = (given: unknown, value: unknown = 0) =>
      fillFrozen(buffer, anything(given), anything(value)).then(
        () => 'none',
        ({ code }: SoulError) => code,
      );
    for (const wrong of [undefined, FlatBuffer.alloc(2), maskOfRanges(16 + 1, []), maskOfRanges(8, [])]) {
      expect(await codeOf(wrong)).toBe('SOUL_INVALID_ARGUMENT');
    }
    expect(await codeOf(maskOfRanges(16, []))).toBe('none');
    expect(await codeOf(maskOfRanges(10, []), '0')).toBe('SOUL_INVALID_ARGUMENT');
    const own = FlatBuffer.from(new Uint8Array(buffer.array.buffer, buffer.array.byteOffset + 4, 2));
    expect(await codeOf(own)).toBe('SOUL_ALIASED');
    const gone = maskOfRanges(10, []);
    gone.release();
    expect(await codeOf(gone)).toBe('SOUL_RELEASED');
  });
});

test('countFrozen counts the bits of a range', () => {
  const cases = fc.tuple(fc.array(fc.boolean(), { maxLength: 100 }), fc.nat(100), fc.nat(100));
  fc.assert(
    fc.property(cases, ([frozen, one, two]) => {
      const [start, end] = [Math.min(one, two, frozen.length), Math.min(Math.max(one, two), frozen.length)];
      const counted = countFrozen(Uint8Array.from(maskOf(frozen)), { start, length: end - start });
      expect(counted).toBe(frozen.slice(start, end).filter(Boolean).length);
    }),
    { seed: 4 },
  );
});
