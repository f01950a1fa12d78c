import { describe, expect, test } from '@jest/globals';
import { walkElements } from '../../lib/core/element-walk.ts';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { freeze, isFrozen, maskOfRanges, maskUnion } from '../../lib/core/frozen-masks.ts';

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

  test('refuses buffers of different lengths, and visits nothing where there are none', async () => {
    await expect(walkElements([FlatBuffer.alloc(2), FlatBuffer.alloc(3)], () => {})).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
    });
    let visits = 0;
    await walkElements([], () => void visits++);
    expect(visits).toBe(0);
  });

  test.each<[string, unknown[], number[] | undefined]>([
    ['what is no buffer', [undefined], undefined],
    ['an array in place of a buffer', [new Float32Array(3)], undefined],
    ['bytes', [FlatBuffer.alloc(3, { dtype: 'u8' })], undefined],
    ['a number that no buffer has', [FlatBuffer.alloc(3)], [1]],
    ['a number below 0', [FlatBuffer.alloc(3)], [-1]],
  ])('refuses %s, before it visits anything', async (_, buffers, writes) => {
    const visits: number[] = [];
    const visit = (_: Float32Array[], start: number) => void visits.push(start);
    const walk = walkElements(buffers as FlatBuffer[], visit, writes ? { writes } : {});
    await expect(walk).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
    expect(visits).toEqual([]);
  });

  test('is cancelled after the chunk that it is at, which is written', async () => {
    const a = FlatBuffer.alloc(2 ** 21 + 5, { dtype: 'bf16' });
    const controller = new AbortController();
    const visit = ([x]: Float32Array[], start: number) => {
      x!.fill(start / 2 ** 20 + 1);
      if (start > 0) controller.abort();
    };
    await expect(walkElements([a], visit, { writes: [0], signal: controller.signal })).rejects.toMatchObject({
      code: 'SOUL_CANCELLED',
      message: `a walk over the weights was cancelled after ${2 ** 21} of ${2 ** 21 + 5}`,
    });
    const held = await a.toFloat32Array();
    expect([0, 2 ** 20 - 1, 2 ** 20, 2 ** 21 - 1, 2 ** 21].map((i) => held[i])).toEqual([1, 1, 2, 2, 0]);
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

  test('leaves both as they were, and takes its turn', async () => {
    const [first, second] = [maskOfRanges(19, [{ start: 3, length: 4 }]), maskOfRanges(19, [])];
    void second.fill(0b101);
    const union = await maskUnion(first, second);
    expect([...union.array]).toEqual([0b1111101, 0b101, 0b101]);
    expect([...first.array]).toEqual([0b1111000, 0, 0]);
    expect([...second.array]).toEqual([0b101, 0b101, 0b101]);
  });

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['an array', new Uint8Array(2)],
    ['numbers', FlatBuffer.alloc(2)],
  ])('refuses %s for a mask', async (_, wrong) => {
    const mask = maskOfRanges(16, []);
    for (const pair of [
      [wrong, mask],
      [mask, wrong],
    ]) {
      const [first, second] = pair as [FlatBuffer<'u8'>, FlatBuffer<'u8'>];
      await expect(maskUnion(first, second)).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
    }
  });

  test('refuses one that was released', async () => {
    const [mask, released] = [maskOfRanges(16, []), maskOfRanges(16, [])];
    await released.release();
    await expect(maskUnion(mask, released)).rejects.toMatchObject({ code: 'SOUL_RELEASED' });
    await expect(maskUnion(released, mask)).rejects.toMatchObject({ code: 'SOUL_RELEASED' });
  });
});

describe('the bit of a weight', () => {
  test.each([0, 7, 8, 2 ** 20 + 3, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 13])('%p is set and read by itself', (index) => {
    // Of this memory, only what is touched is there.
    const bytes = new Uint8Array(Math.floor(index / 8) + 2);
    expect(isFrozen(bytes, index)).toBe(false);
    freeze(bytes, index);
    expect(bytes[Math.floor(index / 8)]).toBe(2 ** (index % 8));
    expect(isFrozen(bytes, index)).toBe(true);
    expect(isFrozen(bytes, index + 1)).toBe(false);
    freeze(bytes, index);
    expect(isFrozen(bytes, index)).toBe(true);
  });
});
