import { describe, expect, test } from '@jest/globals';
import { checkNames, closestName } from '../../lib/core/option-names.ts';
import { algorithms } from '../../lib/unlearn/registry.ts';

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

const names = algorithms.map(({ name }) => name);

test.each<[given: string, known: readonly string[], meant: string | undefined]>([
  // Two changes of letters would be as near to po and sam.
  ['nop', names, 'npo'],
  ['opn', ['npo', 'open'], 'open'],
  ['smi', ['sam', 'sim', 'sum'], 'sim'],
  ['grad-diff', names, 'graddiff'],
  ['Graddiff', names, 'graddiff'],
  ['spugne', names, 'spunge'],
  ['retain_coefficient', ['retainCoefficient', 'forgetCoefficient'], 'retainCoefficient'],
  ['retainWeight', ['retainCoefficient', 'forgetCoefficient'], 'retainCoefficient'],
  ['quantization', names, undefined],
])('%s', (given, known, meant) => {
  expect(closestName(given, known)).toBe(meant);
  expect(closestName(given, known.toReversed())).toBe(meant);
});
