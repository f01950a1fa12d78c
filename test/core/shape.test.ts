import { expect, test } from '@jest/globals';
import { elementCount, isShape, shapeText } from '../../lib/core/shape.ts';

test.each([[[]], [[0]], [[2, 3]], [[Number.MAX_SAFE_INTEGER]]])('%j is a shape', (value) => {
  expect(isShape(value)).toBe(true);
});

test.each([[[-1]], [[1.5]], [[2 ** 53]], [['2']], [[null]], [[Number.NaN]], ['22'], [{ length: 0 }], [undefined]])(
  '%j is none',
  (value) => {
    expect(isShape(value)).toBe(false);
  },
);

test('a shape is printed up to its eighth extent', () => {
  expect(shapeText([])).toBe('[]');
  expect(shapeText([1, 2, 3, 4, 5, 6, 7, 8])).toBe('[1,2,3,4,5,6,7,8]');
  expect(shapeText(Array(9).fill(1))).toBe('[1,1,1,1,1,1,1,1,... (9 extents)]');
});

test('a scalar has one element', () => {
  expect([elementCount([]), elementCount([2, 3]), elementCount([2, 0])]).toEqual([1, 6, 0]);
});
