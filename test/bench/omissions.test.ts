import { afterEach, expect, test } from '@jest/globals';
import { Budget } from '../../bench/budget.ts';
import { Omissions } from '../../bench/omissions.ts';
import { SoulError } from '../../lib/index.ts';

const exitCode = process.exitCode;

afterEach(() => {
  process.exitCode = exitCode;
});

test('what fails is named, and the process fails', async () => {
  const log: string[] = [];
  const omissions = new Omissions((line) => log.push(line));
  expect(await omissions.attempt('a', async () => 1)).toBe(1);
  expect(await omissions.attempt('b', () => Promise.reject(new RangeError('too long')))).toBeUndefined();
  expect(omissions.lines).toEqual(['b: too long']);
  expect(log).toEqual(['left out: b: too long']);
  expect(process.exitCode).toBe(1);
});

test('too little memory is no failure', async () => {
  const omissions = new Omissions(() => {});
  const short = new SoulError('SOUL_OUT_OF_MEMORY', 'not enough');
  expect(await omissions.attempt('a', () => Promise.reject(short))).toBeUndefined();
  expect(omissions.lines).toEqual(['a: not enough']);
  expect(process.exitCode).toBe(exitCode);
});

test('a budget is over when the process is older than it', () => {
  expect(new Budget().isSpent()).toBe(false);
  expect(new Budget(1e9).isSpent()).toBe(false);
  expect(new Budget(1e9).isSpent(1e9)).toBe(true);
  expect(new Budget(0).isSpent()).toBe(true);
  expect(new Budget(0).reason).toContain('--budget');
});
