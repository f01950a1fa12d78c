import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { batchParts } from '../../lib/model/batch-parts.ts';

const lengthsOf = fc.array(fc.array(fc.integer({ min: 2, max: 60 }), { minLength: 1, maxLength: 2 }), {
  maxLength: 40,
});

test('every example is in one part, and no part is larger than it may be', () => {
  fc.assert(
    fc.property(
      lengthsOf,
      fc.integer({ min: 1, max: 9 }),
      fc.option(fc.integer({ min: 1, max: 200 }), { nil: undefined }),
      (lengths, examples, tokens) => {
        const parts = batchParts(lengths, { examples, tokens });
        expect(parts.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
        const total = (part: number[]) => part.flatMap((i) => lengths[i]!).reduce((sum, length) => sum + length, 0);
        for (const part of parts) {
          expect(part.length).toBeLessThanOrEqual(examples);
          if (part.length > 1) expect(total(part)).toBeLessThanOrEqual(tokens ?? Number.POSITIVE_INFINITY);
        }
      },
    ),
    { seed: 1, numRuns: 500 },
  );
});

test('the longest come first, and what fits at once keeps its order', () => {
  const lengths = [[3], [9], [5], [9], [2]];
  expect(batchParts(lengths, { examples: 2 })).toEqual([[1, 3], [2, 0], [4]]);
  expect(batchParts(lengths, { examples: 5, tokens: 10 })).toEqual([[1], [3], [2, 0, 4]]);
  expect(batchParts(lengths, { examples: 5, tokens: 28 })).toEqual([[0, 1, 2, 3, 4]]);
  expect(batchParts([], { examples: 5 })).toEqual([]);
});
