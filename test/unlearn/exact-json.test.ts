import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fromExactJson, toExactJson } from '../../lib/unlearn/exact-json.ts';

test('every number comes back to the bit, wherever it stands, through a text', () => {
  const leaf = fc.oneof(fc.double(), fc.constantFrom(-0, Number.NaN, Infinity, -Infinity), fc.string(), fc.boolean());
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.string(), tie('value'), { maxKeys: 4, noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(value, (given) => {
      expect(fromExactJson(JSON.parse(JSON.stringify(toExactJson('given', given))))).toStrictEqual(given);
    }),
    { seed: 5, numRuns: 500 },
  );
});

test('members that are undefined are left out', () => {
  expect(toExactJson('given', { a: undefined, b: [1] })).toStrictEqual({ b: [1] });
});

test.each<[string, unknown, string]>([
  ['a function', { a: [() => 1] }, 'given.a[0] must be what JSON can hold'],
  ['memory', { a: new Float32Array(2) }, 'given.a must be what JSON can hold'],
  ['a bigint', 1n, 'given must be what JSON can hold'],
  ['a date', new Date(0), 'given must be what JSON can hold'],
  ['undefined in a list', [undefined], 'given[0] must be what JSON can hold'],
  ['what would come back as a number', { a: { $number: '3' } }, 'given.a must be what JSON can hold'],
])('%s is refused', (_, value, message) => {
  expect(() => toExactJson('given', value)).toThrow(
    expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT', message: expect.stringContaining(message) }),
  );
});
