import { describe, expect, test } from '@jest/globals';
import {
  labelCountOf,
  labelSpansOf,
  TokenBatch,
  type TokenSequence,
  tokensReadOf,
} from '../../lib/model/token-batch.ts';

const conversation: TokenSequence = {
  tokens: [7, 8, 9, 10, 11, 12],
  labelsFrom: 1,
  labelSpans: [
    [1, 2],
    [3, 5],
  ],
};
const answer: TokenSequence = { tokens: Int32Array.of(1, 2, 3, 4), labelsFrom: 2 };

describe('a batch of tokens', () => {
  test('says where labels are, whether they are all from one on or some of them', () => {
    const batch = TokenBatch.of([answer, conversation, answer]);
    expect([...batch.offsets]).toEqual([0, 4, 10, 14]);
    expect([...batch.labelsFrom]).toEqual([2, 1, 2]);
    expect([...batch.labelOffsets]).toEqual([0, 2, 5, 7]);
    expect([...batch.labelPositions]).toEqual([2, 3, 5, 7, 8, 12, 13]);
    expect(batch.labelCount).toBe(7);
    expect([answer, conversation].map(labelCountOf)).toEqual([2, 3]);
    expect([answer, conversation].map(tokensReadOf)).toEqual([3, 4]);
    expect(labelSpansOf(answer)).toEqual([[2, 4]]);
  });

  test('is the same where one span says what no span says', () => {
    expect(TokenBatch.of([{ ...answer, labelSpans: [[2, 4]] }])).toEqual(TokenBatch.of([answer]));
  });

  test.each<[string, unknown, RegExp]>([
    ['nothing', [], /labelSpans must be an array of at least one \[begin, end\]/],
    ['no array', { 0: [1, 2] }, /labelSpans must be an array of at least one/],
    ['numbers', [1, 2], /labelSpans\[0\] must be \[begin, end\] of integers/],
    ['three numbers', [[1, 2, 3]], /labelSpans\[0\] must be \[begin, end\]/],
    ['an empty span', [[1, 1]], /labelSpans\[0\] must be .* begin before end/],
    ['parts of tokens', [[1, 2.5]], /labelSpans\[0\] must be .* integers/],
    ['more than the sequence', [[1, 7]], /labelSpans\[0\] must be .* end at most 6, the number of tokens/],
    ['another beginning', [[2, 3]], /labelSpans\[0\]\[0\] must be 1, as labelsFrom says/],
    [
      'touching spans',
      [
        [1, 2],
        [2, 3],
      ],
      /labelSpans\[1\]\[0\] must be more than 2, the end of the span before/,
    ],
    [
      'spans out of order',
      [
        [1, 5],
        [3, 4],
      ],
      /labelSpans\[1\]\[0\] must be more than 5/,
    ],
  ])('refuses %s as spans', (_, labelSpans, message) => {
    expect(() => TokenBatch.of([answer, { ...conversation, labelSpans } as never])).toThrow(message);
    expect(() => TokenBatch.of([answer, { ...conversation, labelSpans } as never])).toThrow(/sequences\[1\]/);
  });
});
