import { expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/index.ts';
import { deviceFunctions } from './fuzz-addon.ts';
import { fuzzCalls } from './fuzz-calls.ts';

test('10,000 random calls end in typed errors or success', async () => {
  const { succeeded, errors, untyped, functions, neverSucceeded } = await fuzzCalls({
    calls: 10_000,
    seed: 20_260_101n,
  });
  expect(untyped).toEqual([]);
  expect(neverSucceeded.sort()).toEqual([...deviceFunctions, 'machineCode', 'useStream'].sort());
  expect(functions.length).toBeGreaterThan(30);
  expect(succeeded).toBeGreaterThan(1000);
  expect(errors.SOUL_INVALID_ARGUMENT).toBeGreaterThan(1000);
  expect(errors.SOUL_RELEASED).toBeGreaterThan(0);
  expect(errors.SOUL_DETACHED).toBeGreaterThan(0);

  const buffer = FlatBuffer.alloc(3);
  await buffer.fill(2);
  expect([...buffer.array]).toEqual([2, 2, 2]);
});
