import { createContext, runInContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import { asSoulError, describe as describeValue, SoulError, shortMessage, shortName } from '../../lib/core/errors.ts';

describe('instanceof SoulError', () => {
  class Mine extends SoulError {}

  test('holds for its own and for a subclass, and a subclass asks for its own', () => {
    expect(new SoulError('SOUL_INTERNAL', '') instanceof SoulError).toBe(true);
    expect(new Mine('SOUL_INTERNAL', '') instanceof SoulError).toBe(true);
    expect(new Mine('SOUL_INTERNAL', '') instanceof Mine).toBe(true);
    expect(new SoulError('SOUL_INTERNAL', '') instanceof Mine).toBe(false);
  });

  test('holds for the error of another copy of the package, in another realm', () => {
    const foreign = runInContext(
      "Object.defineProperty(new Error(), Symbol.for('soul-unlearn.SoulError'), { value: true })",
      createContext({}),
    );
    expect(foreign instanceof SoulError).toBe(true);
  });

  test.each([[new Error()], [null], [undefined], ['SOUL_INTERNAL'], [{ code: 'SOUL_INTERNAL' }]])(
    'does not hold for %p',
    (value) => {
      expect((value as unknown) instanceof SoulError).toBe(false);
    },
  );
});

describe('asSoulError', () => {
  test('turns a failure of the file system into SOUL_FILE_SYSTEM', () => {
    const refused = Object.assign(new Error('EACCES: permission denied'), {
      code: 'EACCES',
      syscall: 'open',
      path: '/x',
    });
    expect(asSoulError(refused)).toMatchObject({
      code: 'SOUL_FILE_SYSTEM',
      details: { systemCode: 'EACCES', path: '/x' },
    });
  });

  test('leaves everything else as it is', () => {
    const known = new SoulError('SOUL_BAD_DATA', '');
    for (const value of [known, new Error('x'), undefined, null, 'text']) expect(asSoulError(value)).toBe(value);
  });
});

describe('what a file says, in messages', () => {
  test('is cut where it is long', () => {
    expect(shortName('x'.repeat(80))).toBe('x'.repeat(80));
    expect(shortName('x'.repeat(81))).toBe(`${'x'.repeat(77)}...`);
    expect(shortMessage(new Error('x'.repeat(301)))).toBe(`${'x'.repeat(297)}...`);
    expect(describeValue('x'.repeat(81))).toBe(`"${'x'.repeat(77)}..."`);
  });

  // Names come in lists: a function with a second parameter would take the place in the list for it.
  test('is cut alike wherever it stands in a list', () => {
    expect(['abcdef', 'abcdef'].map(shortName)).toEqual(['abcdef', 'abcdef']);
  });

  test.each([
    ['\u001b[2J', '\\u001b[2J'],
    ['a\u202eb', 'a\\u202eb'],
    ['\n', '\\u000a'],
    ['\ud800', '\\ud800'],
    ['\u{1f600} \u00e9 \u4f60', '\u{1f600} \u00e9 \u4f60'],
  ])('has escapes for what does not print: %j', (text, printed) => {
    expect(shortName(text)).toBe(printed);
    expect(shortMessage(new Error(text))).toBe(printed);
  });

  test('is cut in no half of a character', () => {
    expect(shortName(`${'x'.repeat(76)}\u{1f600}${'x'.repeat(20)}`)).toBe(`${'x'.repeat(76)}\\ud83d...`);
  });
});
