/**
 * Runs a tool quietly: what it prints goes to a log file that errors name.
 *
 * @module
 */

import { spawn } from 'node:child_process';
import { appendFileSync, closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { throwIfCancelled } from '../core/cancellation.ts';

/** How a tool ended; `tail` is the last thing it printed. */
export interface RunResult {
  readonly succeeded: boolean;
  readonly tail: string;
}

/** What the parts of an installation share. */
export interface InstallWork {
  /** The file that tools print to. */
  readonly log: string;
  /** Fetch and build again what is there. */
  readonly force: boolean;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

/**
 * Runs a command to its end, or ends it and all that it started when the signal fires. A tool that isn't there counts as failed.
 *
 * @throws SoulError SOUL_CANCELLED
 */
export async function runLogged(
  log: string,
  command: string,
  words: readonly string[],
  options: { cwd?: string; environment?: NodeJS.ProcessEnv; signal: AbortSignal | undefined },
): Promise<RunResult> {
  const { signal } = options;
  throwIfCancelled(signal, `cancelled before ${command} ran`);
  appendFileSync(log, `\n$ ${[command, ...words].join(' ')}\n`);
  const begin = (await readFile(log)).length;
  const output = openSync(log, 'a');
  const succeeded = await new Promise<boolean>((resolve) => {
    const child = spawn(command, words, {
      cwd: options.cwd,
      env: { ...process.env, ...options.environment },
      stdio: ['ignore', output, output],
      // A group of its own, so that what it starts ends with it.
      detached: true,
    });
    const end = () => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
    };
    signal?.addEventListener('abort', end, { once: true });
    child.on('error', (error) => {
      appendFileSync(log, `${error.message}\n`);
      resolve(false);
    });
    child.on('close', (status) => {
      signal?.removeEventListener('abort', end);
      resolve(status === 0);
    });
  }).finally(() => closeSync(output));
  throwIfCancelled(signal, `cancelled while ${command} ran; see ${log}`);
  const printed = (await readFile(log)).subarray(begin).toString('utf8');
  return { succeeded, tail: printed.trim().split('\n').slice(-12).join('\n') };
}
