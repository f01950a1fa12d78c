import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { porterStem } from '../../lib/eval/porter-stemmer.ts';
import { rouge1, rougeL, rougeSight, rougeWords } from '../../lib/eval/rouge.ts';

interface Recorded {
  pairs: {
    prediction: string;
    reference: string;
    stemmed: number[];
    plain: number[];
    rouge1: number[];
    rouge1Plain: number[];
  }[];
  stems: Record<string, string>;
}

const recorded: Recorded = JSON.parse(readFileSync(new URL('./fixtures/rouge.json', import.meta.url), 'utf8'));

describe('rougeL and rouge1', () => {
  it.each(recorded.pairs)('score $prediction against $reference as rouge_score does', (pair) => {
    const { prediction, reference } = pair;
    for (const [score, expected] of [
      [rougeL(prediction, reference), pair.stemmed],
      [rougeL(prediction, reference, { stemmer: false }), pair.plain],
      [rouge1(prediction, reference), pair.rouge1],
      [rouge1(prediction, reference, { stemmer: false }), pair.rouge1Plain],
    ] as const) {
      expect(score.precision).toBeCloseTo(expected[0]!, 12);
      expect(score.recall).toBeCloseTo(expected[1]!, 12);
      expect(score.fMeasure).toBeCloseTo(expected[2]!, 12);
    }
  });

  it('swap precision and recall when its arguments are swapped', () => {
    const text = fc.array(fc.constantFrom('red', 'blue', 'green', 'grey', 'black'), { maxLength: 12 });
    fc.assert(
      fc.property(text, text, (a, b) => {
        const [there, back] = [rougeL(a.join(' '), b.join(' ')), rougeL(b.join(' '), a.join(' '))];
        expect(there).toEqual({ precision: back.recall, recall: back.precision, fMeasure: back.fMeasure });
        expect(there.recall).toBeGreaterThanOrEqual(0);
        expect(there.recall).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('recall everything of a text from that text and more', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,6}$/), { minLength: 1, maxLength: 9 }), (words) => {
        expect(rougeL(`before ${words.join(' -- ')} after`, words.join(' ')).recall).toBe(1);
      }),
    );
  });
});

describe('rougeSight', () => {
  it.each([
    ['\u6771\u4eac\u3067\u3059\u3002', 'none'],
    ['...', 'none'],
    ['\u{1f600}', 'none'],
    ['\u0663', 'none'],
    ['\u6771\u4eac Tower', 'most'],
    ['1998\u5e74\u306b\u751f\u307e\u308c\u307e\u3057\u305f\u3002', 'part'],
    ['\u041c\u043e\u0441\u043a\u0432\u0430, city 7', 'part'],
    ['Z\u00fcrich', 'most'],
    ['In M\u00fcnchen!', 'most'],
    ['7', 'most'],
    ['\u6771A', 'most'],
  ])('of %s sees %s', (text, sight) => {
    expect(rougeSight(text)).toBe(sight);
  });

  it('sees none exactly where there are no words', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 4 }), (text) => {
        expect(rougeSight(text) === 'none').toBe(rougeWords(text).length === 0);
        expect(rougeL(text, text).recall).toBe(rougeSight(text) === 'none' ? 0 : 1);
      }),
    );
  });
});

it.each([undefined, null, 3, ['a']])('rougeL refuses %p for a text', (text) => {
  expect(() => rougeL(text as never, 'a')).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
  expect(() => rougeL('a', text as never)).toThrow(expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }));
});

describe('porterStem', () => {
  it.each(Object.entries(recorded.stems))('stems %s to %s as NLTK does', (word, stem) => {
    expect(porterStem(word)).toBe(stem);
  });
});
