import { describe, expect, test } from '@jest/globals';
import { thenRelease } from '../../lib/core/release.ts';

/** What can be released, and notes that it was. */
function holding(released: string[], name: string, failure?: Error) {
  return {
    async release() {
      released.push(name);
      if (failure) throw failure;
    },
  };
}

const [ofWork, ofFirst, ofSecond] = ['work', 'first', 'second'].map((name) => new Error(name)) as [Error, Error, Error];

describe('thenRelease', () => {
  test('gives the result when all is released, in order', async () => {
    const released: string[] = [];
    const held = () => [holding(released, 'optimizer'), undefined, holding(released, 'model')];
    expect(await thenRelease(async () => 5, held)).toBe(5);
    expect(released).toEqual(['optimizer', 'model']);
  });

  test('asks what is held when the work has ended', async () => {
    const released: string[] = [];
    let made: ReturnType<typeof holding> | undefined;
    const work = async () => {
      made = holding(released, 'made');
    };
    await thenRelease(work, () => [made]);
    expect(released).toEqual(['made']);
  });

  test.each([
    ['the work, and both releases', ofWork, ofFirst, ofSecond, ofWork],
    ['both releases', undefined, ofFirst, ofSecond, ofFirst],
    ['the second release', undefined, undefined, ofSecond, ofSecond],
  ])('releases all and goes on with the first error: %s', async (_, work, first, second, expected) => {
    const released: string[] = [];
    const held = () => [holding(released, 'first', first), holding(released, 'second', second)];
    const outcome = thenRelease(async () => {
      if (work) throw work;
    }, held);
    await expect(outcome).rejects.toBe(expected);
    expect(released).toEqual(['first', 'second']);
  });
});
