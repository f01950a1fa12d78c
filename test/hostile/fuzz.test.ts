/** A part of what scripts/fuzz-files.ts reads; more of it there. */

import { describe, expect, test } from '@jest/globals';
import { SoulError } from '../../lib/core/errors.ts';
import { fuzzFiles } from './fuzz-files.ts';
import { kinds } from './kinds.ts';
import type { HostileKind } from './property.ts';

const count = 500;

describe.each(kinds.map((kind) => [kind.name, kind] as const))('%s', (_, kind) => {
  test('are read as what they say, or refused with a typed error', async () => {
    const { accepted, refused, failures } = await fuzzFiles({ kind, seed: 20n, from: 0, to: count });
    expect(failures).toEqual([]);
    // Neither all nor none: both sides of the readers are reached.
    expect(accepted).toBeGreaterThan(count / 50);
    expect(Object.values(refused).reduce((sum, times) => sum + times, 0)).toBeGreaterThan(count / 5);
  });

  test('are the same whichever is read first', async () => {
    const range = { kind, seed: 21n };
    const whole = await fuzzFiles({ ...range, from: 0, to: 24 });
    const parts = [await fuzzFiles({ ...range, from: 12, to: 24 }), await fuzzFiles({ ...range, from: 0, to: 12 })];
    expect(parts.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(whole.accepted);
    for (const code of Object.keys(whole.refused)) {
      expect(parts.reduce((sum, { refused }) => sum + (refused[code] ?? 0), 0)).toBe(whole.refused[code]);
    }
  });
});

test('a reader that breaks the property is found, by the number of the input', async () => {
  const faults: Record<number, () => unknown> = {
    1: () => new SoulError('SOUL_BAD_FILE', 'as it should be'),
    2: () => new TypeError('x is not iterable'),
    3: () => new SoulError('SOUL_INTERNAL', 'not the fault of a file'),
    4: () => new SoulError('SOUL_BAD_FILE', 'x'.repeat(5000)),
    5: () => new SoulError('SOUL_BAD_DATA', 'a name with \u001b[2J in it'),
    6: () => 'no error at all',
  };
  let number = 0;
  const kind: HostileKind = {
    name: 'faults',
    prepare: async () => async () => {
      const fault = faults[number];
      if (fault) throw fault();
    },
  };
  const onInput = (next: number) => {
    number = next;
  };
  const { accepted, refused, failures } = await fuzzFiles({ kind, seed: 1n, from: 0, to: 8, onInput });
  expect([accepted, refused, failures.map((failure) => failure.number)]).toEqual([
    2,
    { SOUL_BAD_FILE: 1 },
    [2, 3, 4, 5, 6],
  ]);
});
