/**
 * Random calls of the raw addon and of the public API with wrong arguments.
 *
 * Every call starts from arguments that would do, of which up to three are then replaced. It must end in a typed error or
 * in success; a crash ends the process, which is what fuzz.test.ts and scripts/fuzz-under-sanitizer.mjs look for.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeAddon } from '../../lib/core/addon.ts';
import type { Device } from '../../lib/core/devices.ts';
import { SoulError } from '../../lib/core/errors.ts';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { randomStream } from '../../lib/core/random.ts';
import { addonTargets } from './fuzz-addon.ts';
import { packageTargets, writeStates } from './fuzz-package.ts';
import { Draw, spoiled, type Target } from './fuzz-values.ts';

export interface FuzzResult {
  calls: number;
  /** Calls that ended well. */
  succeeded: number;
  /** Calls that ended in an error, by code. */
  errors: Record<string, number>;
  /** Calls that ended in anything else: the call and what came out. */
  untyped: string[];
  /** Names of the functions that were called. */
  functions: string[];
  /** Those of which no call ended well. */
  neverSucceeded: string[];
}

/**
 * @param options.calls how many calls to make
 * @param options.seed of the draws; the same seed makes the same calls
 * @param options.places where the memory of a call may lie
 */
export async function fuzzCalls(options: {
  calls: number;
  seed: bigint;
  places?: readonly Device[];
}): Promise<FuzzResult> {
  const { calls, seed, places = ['cpu'] } = options;
  const addon = nativeAddon();
  const { instructionSet, threads } = addon.machine();
  const folder = await mkdtemp(join(tmpdir(), 'soul-fuzz-'));
  try {
    await writeStates(folder);
    return await fuzz([...addonTargets(folder), ...packageTargets(folder)], calls, seed, places);
  } finally {
    await addon.configure({ instructionSet, threads, cudaThreads: 0, cudaBlocks: 0 });
    await rm(folder, { recursive: true, force: true });
  }
}

async function fuzz(
  targets: readonly Target[],
  calls: number,
  seed: bigint,
  places: readonly Device[],
): Promise<FuzzResult> {
  const stream = randomStream(seed, 'fuzz');
  const functions = targets.map(({ name }) => name);
  const result: FuzzResult = { calls, succeeded: 0, errors: {}, untyped: [], functions, neverSucceeded: functions };
  // While this is pending, what comes after it has to wait for its turn, instead of being done at once.
  const long = FlatBuffer.alloc(100_000);
  let pending: Promise<unknown>[] = [];
  for (let i = 0; i < calls; i++) {
    const random = new Draw(stream, i, places);
    if (random.integer(16) === 0) pending.push(long.fill(i));
    pending.push(settle(random.of(targets), random, i, result));
    if (pending.length >= 16) {
      await Promise.all(pending);
      pending = [];
    }
  }
  await Promise.all(pending);
  await nativeAddon().fence();
  return result;
}

async function settle({ name, call, words }: Target, random: Draw, index: number, result: FuzzResult): Promise<void> {
  try {
    const given = spoiled(words(random), random);
    await call(random)(...(given as never[]));
    result.succeeded += 1;
    result.neverSucceeded = result.neverSucceeded.filter((other) => other !== name);
  } catch (error) {
    const code = error instanceof SoulError ? error.code : undefined;
    if (code !== undefined && code !== 'SOUL_INTERNAL') result.errors[code] = (result.errors[code] ?? 0) + 1;
    else result.untyped.push(`call ${index}, ${name}: ${String((error as Error)?.stack ?? error)}`);
  }
}
