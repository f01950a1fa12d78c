import { describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { maskOfRanges } from '../../lib/core/frozen-masks.ts';
import { Movable } from '../../lib/unlearn/zeroth-order/movable.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { count, size } from './zeroth-order-lab.ts';

describe('what may move', () => {
  test('is found by its rank, around padding and what is frozen', async () => {
    const { layout } = BigramLM.random(100, 1n).parameters;
    const isFixed = (i: number) => i >= 10_000 || (i % 7 === 3 && i > 50) || (i >= 4000 && i < 8300);
    const bytes = new Uint8Array(layout.length / 8);
    for (let i = 0; i < 10_000; i++) if (isFixed(i)) bytes[i >> 3]! |= 1 << (i % 8);
    const movable = await Movable.of(layout, FlatBuffer.from(bytes), 'cpu');
    const expected = [...Array(layout.length).keys()].filter((i) => !isFixed(i));
    expect(movable.count).toBe(expected.length);
    for (let rank = 0; rank < expected.length; rank += 13) expect(movable.at(rank)).toBe(expected[rank]);
    expect(movable.at(expected.length - 1)).toBe(expected.at(-1));
  });

  test('is refused where it is nothing', async () => {
    const { layout } = BigramLM.random(size, 1n).parameters;
    const mask = maskOfRanges(layout.length, [{ start: 0, length: count }]);
    await expect(Movable.of(layout, mask, 'cpu')).rejects.toThrow('every weight is frozen');
  });
});
