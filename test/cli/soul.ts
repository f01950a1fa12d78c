/**
 * The `soul` command in a process of its own.
 *
 * @module
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { packageRoot } from '../../lib/core/package.ts';

export interface Outcome {
  code: number | null;
  out: string;
  err: string;
}

/** What node is started with for the command. */
export const soulWords: readonly string[] = ['--import', 'tsx', join(packageRoot, 'lib/cli/main.ts')];

export function soul(...words: string[]): Promise<Outcome> {
  return soulIn({}, ...words);
}

/** As {@link soul}, with environment variables. */
export function soulIn(variables: Record<string, string>, ...words: string[]): Promise<Outcome> {
  return outcomeOf(startNode([...soulWords, ...words], variables));
}

/** A node of this checkout. */
export function startNode(
  words: readonly string[],
  variables: Record<string, string> = {},
): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(process.execPath, words, {
    cwd: packageRoot,
    env: { ...process.env, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** How a process ends, and what it printed. */
export function outcomeOf(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Outcome> {
  return new Promise((resolve) => {
    const outcome: Outcome = { code: null, out: '', err: '' };
    child.stdout.on('data', (text) => {
      outcome.out += text;
    });
    child.stderr.on('data', (text) => {
      outcome.err += text;
    });
    child.on('close', (code) => resolve({ ...outcome, code }));
  });
}
