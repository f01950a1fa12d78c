import { expect, test } from '@jest/globals';
import { closestName } from '../../lib/core/option-names.ts';
import { algorithms } from '../../lib/unlearn/registry.ts';

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
