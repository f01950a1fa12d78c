import { describe, expect, test } from '@jest/globals';
import { checkNames, closestName } from '../../lib/core/option-names.ts';

describe('closestName', () => {
  test('finds what was probably meant', () => {
    expect(closestName('learnigRate', ['learningRate', 'rho'])).toBe('learningRate');
    expect(closestName('seed', ['learningRate', 'rho'])).toBeUndefined();
  });

  // The edits between two names take the product of their lengths.
  test('does not look for what a name of any length was meant to be', () => {
    const known = ['x'.repeat(60)];
    expect(closestName('x'.repeat(61), known)).toBe(known[0]);
    expect(closestName('x'.repeat(20_000_000), known)).toBeUndefined();
  });
});

test('an unknown name is cut in the message, and whole in the details', () => {
  const name = `\u001b${'x'.repeat(10_000)}`;
  expect(() => checkNames('options', { [name]: 1 }, ['a'])).toThrow(
    expect.objectContaining({
      message: `options has no option \\u001b${'x'.repeat(76)}...; there are a`,
      details: { argument: name, known: ['a'] },
    }),
  );
});
