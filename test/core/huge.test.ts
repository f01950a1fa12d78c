import { describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';

// Takes 9 GB of memory, so only where it is asked for: SOUL_TEST_HUGE=1.
const withMemory = process.env.SOUL_TEST_HUGE === '1' ? describe : describe.skip;
if (withMemory !== describe) console.warn('SOUL_TEST_HUGE is not 1: buffers of more than 2^31 elements are not tested');

withMemory('a buffer of more than 2^31 elements', () => {
  test('is filled and copied past the reach of 32 bits', async () => {
    const start = 2 ** 31 + 5;
    const buffer = FlatBuffer.alloc(start + 1000);
    const end = buffer.view(start);
    await end.view(0, 990).fill(3);
    await end.view(990).copyFrom(end.view(985, 10));
    expect([...(await end.view(983).toFloat32Array())]).toEqual([...Array(12).fill(3), ...Array(5).fill(0)]);
    expect(buffer.array[start]).toBe(3);
    expect(buffer.array[start - 1]).toBe(0);
    await buffer.view(0, 1).copyFrom(end.view(5, 1));
    expect(buffer.array[0]).toBe(3);
    await buffer.fill(1);
    expect([0, 2 ** 31 - 1, 2 ** 31, start, start + 999].map((i) => buffer.array[i])).toEqual([1, 1, 1, 1, 1]);
    await buffer.release();
  }, 120_000);
});
