/**
 * Reads hostile files, one after the other, and tells which do not hold what {@link complaint} asks.
 *
 * @module
 */

import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resourceUsage } from 'node:process';
import { Draw } from './draw.ts';
import { complaint, type HostileKind } from './property.ts';

/** No input's files are larger than a mebibyte or two. */
const mostMebibytes = 128;

export interface FuzzOptions {
  readonly kind: HostileKind;
  readonly seed: bigint;
  /** Numbers of the inputs: from the first to before the last. */
  readonly from: number;
  readonly to: number;
  /** Told of the number of each input before it is read. */
  readonly onInput?: (number: number) => void;
  /** Leaves the files of the last input where they are. */
  readonly keep?: boolean;
}

export interface Failure {
  readonly number: number;
  readonly complaint: string;
}

export interface FuzzResult {
  readonly accepted: number;
  /** Refused files by their codes. */
  readonly refused: Readonly<Record<string, number>>;
  readonly failures: readonly Failure[];
  /** The input that took longest. */
  readonly slowest: { readonly number: number; readonly milliseconds: number };
  /** The input that raised the process's peak of memory most. */
  readonly largest: { readonly number: number; readonly mebibytes: number };
  /** Where the files are that were kept. */
  readonly folder?: string;
}

export async function fuzzFiles({ kind, seed, from, to, onInput, keep }: FuzzOptions): Promise<FuzzResult> {
  const memory = '/dev/shm';
  const folder = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), 'soul-hostile-'));
  let accepted = 0;
  const refused: Record<string, number> = {};
  const failures: Failure[] = [];
  let slowest = { number: from, milliseconds: 0 };
  let largest = { number: from, mebibytes: 0 };
  try {
    mkdirSync(join(folder, kind.name));
    const read = await kind.prepare(join(folder, kind.name));
    let peak = peakMebibytes();
    for (let number = from; number < to; number++) {
      onInput?.(number);
      const begun = performance.now();
      try {
        await read(new Draw(seed, kind.name, number));
        accepted++;
      } catch (error) {
        const wrong = complaint(error);
        const { code } = error as { code?: string };
        if (wrong !== undefined) failures.push({ number, complaint: wrong });
        else refused[code!] = (refused[code!] ?? 0) + 1;
      }
      const milliseconds = performance.now() - begun;
      if (milliseconds > slowest.milliseconds) slowest = { number, milliseconds };
      const mebibytes = peakMebibytes() - peak;
      peak += mebibytes;
      if (mebibytes > largest.mebibytes) largest = { number, mebibytes };
      if (mebibytes > mostMebibytes) failures.push({ number, complaint: `took ${mebibytes.toFixed(0)} MiB of memory` });
    }
  } finally {
    if (!keep) rmSync(folder, { recursive: true, force: true });
  }
  return { accepted, refused, failures, slowest, largest, ...(keep ? { folder } : {}) };
}

function peakMebibytes(): number {
  return resourceUsage().maxRSS / 2 ** 10;
}
