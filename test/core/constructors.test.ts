import { describe, expect, test } from '@jest/globals';
import * as data from '../../lib/data/index.ts';
import * as main from '../../lib/index.ts';
import * as model from '../../lib/model/index.ts';
import * as torch from '../../lib/torch/index.ts';

const isClass = (value: unknown): value is new (...words: unknown[]) => object =>
  typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));
const classes = [main, model, data, torch].flatMap((entry) =>
  Object.entries(entry).filter(([, value]) => isClass(value)),
);

describe.each(classes)('new %s', (_, value) => {
  const Class = value as new (...words: unknown[]) => object;
  test.each<[string, unknown[]]>([
    ['nothing', []],
    ['null', [null]],
    ['null, null, null', [null, null, null]],
    ['a symbol', [Symbol('x')]],
    ['two symbols', [Symbol('x'), Symbol('y')]],
    ['an object', [{}]],
    ['numbers', [1, 2, 3]],
  ])('of %s is refused with a typed error', (_name, words) => {
    expect(() => new Class(...words)).toThrow(
      expect.objectContaining({ name: 'SoulError', code: 'SOUL_INVALID_ARGUMENT' }),
    );
  });
});

test('classes that are not made with new say what makes them', () => {
  expect(classes.map(([name]) => name)).toEqual(
    expect.arrayContaining(['FlatBuffer', 'ParameterLayout', 'TokenBatch', 'HuggingFaceTokenizer', 'TorchLM']),
  );
  expect(() => new (main.FlatBuffer as unknown as new (length: number) => object)(5)).toThrow(
    'new FlatBuffer is not for callers; use FlatBuffer.alloc or FlatBuffer.from',
  );
});
