import { describe, expect, test } from '@jest/globals';
import { walkElements } from '../../lib/core/element-walk.ts';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { maskOfRanges, maskUnion } from '../../lib/core/frozen-masks.ts';

describe('a walk over elements', () => {
  test.each([0, 1, 7, 2 ** 20, 2 ** 20 + 3])('of %p meets each once, side by side', async (length) => {
    const a = FlatBuffer.from(Float32Array.from({ length }, (_, i) => i % 1000));
    const b = FlatBuffer.alloc(length, { dtype: 'bf16' });
    await b.fill(2);
    let met = 0;
    await walkElements(
      [a, b],
      ([x, y], start) => {
        expect(start).toBe(met);
        met += x!.length;
        for (const i of x!.keys()) x![i]! *= y![i]!;
      },
      { writes: [0] },
    );
    expect(met).toBe(length);
    expect(a.array.every((value, i) => value === 2 * (i % 1000))).toBe(true);
  });

  test('writes only what it is told to, rounded to the dtype', async () => {
    const [a, b] = [FlatBuffer.from(Float32Array.of(1, 2, 3)), FlatBuffer.alloc(3, { dtype: 'bf16' })];
    const visit = ([x, y]: Float32Array[]) => {
      x!.fill(9);
      y!.fill(1 + 2 ** -9);
    };
    await walkElements([a, b], visit, { writes: [1] });
    expect([...a.array]).toEqual([1, 2, 3]);
    expect([...(await b.toFloat32Array())]).toEqual([1, 1, 1]);
  });

  test('comes after work that was called before, and ends with its signal', async () => {
    const a = FlatBuffer.alloc(2 ** 20 + 1);
    void a.fill(3);
    let first = 0;
    const controller = new AbortController();
    const walk = walkElements(
      [a],
      ([x]) => {
        first = x![0]!;
        controller.abort(new Error('enough'));
      },
      { signal: controller.signal },
    );
    await expect(walk).rejects.toMatchObject({ code: 'SOUL_CANCELLED', cause: { message: 'enough' } });
    expect(first).toBe(3);
  });

  test('refuses buffers of different lengths', async () => {
    await expect(walkElements([FlatBuffer.alloc(2), FlatBuffer.alloc(3)], () => {})).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
    });
    await walkElements([], () => expect(true).toBe(false));
  });
});

describe('the union of masks', () => {
  test.each([1, 8, 13, 200])('of %p weights freezes what either freezes', async (length) => {
    const first = maskOfRanges(length, [{ start: 0, length: Math.ceil(length / 3) }]);
    const second = maskOfRanges(length, [{ start: Math.floor(length / 2), length: Math.ceil(length / 4) }]);
    const union = await maskUnion(first, second);
    const bit = (mask: FlatBuffer<'u8'>, i: number) => (mask.array[i >> 3]! >> (i & 7)) & 1;
    for (let i = 0; i < length; i++) expect(bit(union, i)).toBe(bit(first, i) | bit(second, i));
    expect(first.array).not.toBe(union.array);
  });

  test('refuses masks of different lengths', async () => {
    await expect(maskUnion(maskOfRanges(8, []), maskOfRanges(9, []))).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
    });
  });
});
