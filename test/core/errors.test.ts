import { createContext, runInContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import { asSoulError, SoulError } from '../../lib/core/errors.ts';

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
