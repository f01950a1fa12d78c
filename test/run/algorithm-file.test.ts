import { expect, test } from '@jest/globals';
import { SoulError } from '../../lib/index.ts';
import { eventsOfFile, fileError, inAlgorithmFile } from '../../lib/run/algorithm-file.ts';

/** An error as one thrown at a place. */
function thrownAt(place: string, error: Error = new TypeError('no table')): Error {
  error.stack = `TypeError: no table\n    at lookUp (node:internal/x:1:2)\n    at weigh (${place})\n    at run (file:///lib/run.js:9:9)`;
  return error;
}

test('what fails in the file is told with the place', () => {
  expect(fileError('./own/mine.ts', thrownAt('file:///home/own/mine.ts:12:7'))).toMatchObject({
    code: 'SOUL_BAD_FILE',
    message: './own/mine.ts failed: TypeError: no table (mine.ts:12)',
    details: { file: './own/mine.ts' },
    cause: { message: 'no table' },
  });
});

test('a refusal is told with the place that its cause came from', () => {
  const cause = thrownAt('file:///home/own/mine.ts:12:7');
  const refusal = new SoulError('SOUL_INVALID_ARGUMENT', 'the objective failed', { term: 'forget' }, { cause });
  expect(fileError('mine.ts', refusal)).toMatchObject({
    code: 'SOUL_INVALID_ARGUMENT',
    message: 'mine.ts: the objective failed (mine.ts:12)',
    details: { file: 'mine.ts', term: 'forget' },
  });
});

test('what the file has no part in stays as it is', () => {
  const elsewhere = thrownAt('file:///home/own/determine.ts:12:7');
  expect(fileError('mine.ts', elsewhere)).toBe(elsewhere);
  const named = new SoulError('SOUL_INVALID_ARGUMENT', 'mine.ts: once is enough', {});
  const other = new SoulError('SOUL_NON_FINITE', 'a loss is NaN', {});
  for (const error of [named, other]) expect(fileError('mine.ts', error)).toBe(error);
  const failed = thrownAt('file:///home/own/mine.ts:12:7');
  expect(fileError(undefined, failed)).toBe(failed);
});

test('work and events pass through, and so does what their reader throws', async () => {
  expect(inAlgorithmFile('mine.ts', () => 3)).toBe(3);
  expect(() =>
    inAlgorithmFile('mine.ts', () => {
      throw thrownAt('/mine.ts:1:1');
    }),
  ).toThrow('mine.ts failed');
  async function* two() {
    yield 1;
    yield 2;
    return 'end';
  }
  const events = eventsOfFile('mine.ts', two());
  expect([await events.next(), await events.next(), await events.next()]).toEqual([
    { value: 1, done: false },
    { value: 2, done: false },
    { value: 'end', done: true },
  ]);
});
