/**
 * The `soul` command: within this process, or in one of its own where its environment, its signals or its streams count.
 *
 * @module
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { main } from '../../lib/cli/main.ts';
import { packageRoot } from '../../lib/core/package.ts';

export interface Outcome {
  code: number | null;
  out: string;
  err: string;
}

/** What node is started with for the command. */
export const soulWords: readonly string[] = ['--import', 'tsx', join(packageRoot, 'lib/cli/main.ts')];

/** A process costs a second to start; what a command prints here is caught, whatever else runs beside it. */
export function soul(...words: string[]): Promise<Outcome> {
  const printed = { out: '', err: '' };
  return caught.run(printed, async () => {
    const code = await main(words);
    return { code, ...printed };
  });
}

const caught = new AsyncLocalStorage<{ out: string; err: string }>();

for (const [stream, name] of [
  [process.stdout, 'out'],
  [process.stderr, 'err'],
] as const) {
  const write = stream.write.bind(stream) as (...parts: unknown[]) => boolean;
  stream.write = (...parts: unknown[]) => {
    const outcome = caught.getStore();
    if (outcome === undefined) return write(...parts);
    const [text] = parts;
    outcome[name] += typeof text === 'string' ? text : Buffer.from(text as Uint8Array).toString();
    const done = parts.at(-1);
    if (typeof done === 'function') done();
    return true;
  };
}

/** As {@link soul}, with environment variables, in a process of its own. */
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
    // The tests may run under nohup, which a command takes for its own.
    env: { ...process.env, _: process.execPath, ...variables },
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
