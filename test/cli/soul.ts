/**
 * The `soul` command in a process of its own.
 *
 * @module
 */

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../lib/core/package.ts';

export interface Outcome {
  code: number | null;
  out: string;
  err: string;
}

export function soul(...words: string[]): Promise<Outcome> {
  return soulIn({}, ...words);
}

/** As {@link soul}, with environment variables. */
export function soulIn(variables: Record<string, string>, ...words: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', join(packageRoot, 'lib/cli/main.ts'), ...words], {
      cwd: packageRoot,
      env: { ...process.env, ...variables },
    });
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
