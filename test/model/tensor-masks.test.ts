import { expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { isFrozen } from '../../lib/core/frozen-masks.ts';
import { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import { maskBeside, rangesBeside } from '../../lib/model/tensor-masks.ts';

const layout = ParameterLayout.of([
  { name: 'norm', shape: [7], group: 'vector' },
  { name: 'a', shape: [16, 16], group: 'matrix' },
  { name: 'b', shape: [3, 100], group: 'matrix' },
  { name: 'embedding', shape: [5, 3], group: 'embedding' },
]);

/** Every element that no tensor of these names holds, one by one. */
const beside = (names: readonly string[]) => {
  const inside = new Set(
    names.flatMap((name) => {
      const { offset, shape } = layout.get(name)!;
      return Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, i) => offset + i);
    }),
  );
  return [...Array(layout.length).keys()].filter((i) => !inside.has(i));
};

test.each([[[]], [['a']], [['norm', 'embedding']], [['b', 'a']], [['norm', 'b', 'a', 'embedding']]])(
  'what lies beside the tensors %j is every other element, padding too',
  async (names: string[]) => {
    const ranges = rangesBeside(layout, (name) => names.includes(name));
    const found = ranges.flatMap(({ start, length }) => Array.from({ length }, (_, i) => start + i));
    expect(found).toEqual(beside(names));
    expect(ranges.every(({ length }) => length > 0)).toBe(true);

    const values = FlatBuffer.alloc(layout.length);
    const mask = await maskBeside({ values, layout }, (name) => names.includes(name));
    expect([...Array(layout.length).keys()].filter((i) => isFrozen(mask.array, i))).toEqual(beside(names));
  },
);

test('beside all tensors lies padding, which a full block has none of', () => {
  expect(rangesBeside(layout).reduce((sum, { length }) => sum + length, 0)).toBe(layout.length - layout.parameterCount);
  const full = ParameterLayout.of([{ name: 'a', shape: [256], group: 'matrix' }]);
  expect(rangesBeside(full)).toEqual([]);
});
