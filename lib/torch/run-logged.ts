/**
 * Runs a tool quietly: what it prints goes to a log file that errors name.
 *
 * @module
 */

import { spawn } from 'node:child_process';
import { appendFileSync, closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** How a tool ended; `tail` is the last thing it printed. */
export interface RunResult {
  readonly succeeded: boolean;
  readonly tail: string;
}

/** Runs a command to its end. A tool that isn't there counts as failed. */
export async function runLogged(
  log: string,
  command: string,
  words: readonly string[],
  options: { cwd?: string; environment?: NodeJS.ProcessEnv } = {},
): Promise<RunResult> {
  appendFileSync(log, `\n$ ${[command, ...words].join(' ')}\n`);
  const begin = (await readFile(log)).length;
  const output = openSync(log, 'a');
  const succeeded = await new Promise<boolean>((resolve) => {
    const child = spawn(command, words, {
      cwd: options.cwd,
      env: { ...process.env, ...options.environment },
      stdio: ['ignore', output, output],
    });
    child.on('error', (error) => {
      appendFileSync(log, `${error.message}\n`);
      resolve(false);
    });
    child.on('close', (status) => resolve(status === 0));
  }).finally(() => closeSync(output));
  const printed = (await readFile(log)).subarray(begin).toString('utf8');
  return { succeeded, tail: printed.trim().split('\n').slice(-12).join('\n') };
}
