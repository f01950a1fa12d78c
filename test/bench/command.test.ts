import { expect, test } from '@jest/globals';
import { givenCommand } from '../../bench/command.ts';

test('the recorded command leaves out where results go and where Python lies', () => {
  const given = ['--size', '1024', '--out', 'a.json', '--python=/somewhere/python', '--json', '--threads', '2'];
  expect(givenCommand('bench:peers', given)).toBe('npm run bench:peers -- --size 1024 --threads 2');
  expect(givenCommand('bench', ['--python', '/somewhere'])).toBe('npm run bench');
});
