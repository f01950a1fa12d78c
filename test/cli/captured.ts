/**
 * The command line in this process, with what it prints.
 *
 * @module
 */

import { jest } from '@jest/globals';
import { main } from '../../lib/cli/main.ts';
import type { Outcome } from './soul.ts';

/** Runs the command line and keeps what it prints from the terminal. */
export async function captured(...words: string[]): Promise<Outcome> {
  const outcome: Outcome = { code: null, out: '', err: '' };
  const keep = (which: 'out' | 'err') => (text: unknown) => {
    outcome[which] += String(text);
    return true;
  };
  const spies = [
    jest.spyOn(process.stdout, 'write').mockImplementation(keep('out')),
    jest.spyOn(process.stderr, 'write').mockImplementation(keep('err')),
  ];
  try {
    outcome.code = await main(words);
    return outcome;
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
