/**
 * What a benchmark of a kernel consists of.
 *
 * @module
 */

import { nativeAddon } from '../../lib/core/addon.ts';
import { type Device, type FlatBuffer, nativeMemory } from '../../lib/core/flat-buffer.ts';
import type { Contestant } from '../measure.ts';
import type { Place } from '../place.ts';
import type { Subject } from '../results.ts';
import type { StorageName } from './storages.ts';

/** Buffers that one pass over memory reads and writes; one that is in both is updated in place. */
export interface Pass {
  readonly reads: readonly FlatBuffer[];
  readonly writes: readonly FlatBuffer[];
}

/** A case with its memory. */
export interface Prepared {
  /** Calls the kernel once; resolves when it is done. */
  run(): Promise<unknown>;
  /**
   * The calls that `run` is made of, one for each pass, where the host must have a result of one before it makes the next:
   * each is timed by itself, so that the way to the host and back does not count.
   */
  readonly parts?: readonly (() => Promise<unknown>)[];
  /** The memory that must be read and written, one pass after another, by whatever does the same. */
  readonly passes: readonly Pass[];
  /** Puts data back that a run consumed; not timed. */
  reset?(): Promise<void>;
  /** Gives all memory up. */
  release(): Promise<void>;
}

export interface KernelCase {
  readonly subject: Subject;
  /** Short name, as `--kernels` takes it. */
  readonly kernel: string;
  readonly title: string;
  readonly storage: StorageName;
  /** That the kernel must move for each element: what it reads and what it writes. */
  readonly bytesPerElement: number;
  /** Of all the buffers that a run needs, for each element. */
  readonly residentBytesPerElement: number;
  /** Of cases over logits; others run at any size. */
  readonly shape?: { readonly rows: number; readonly vocabulary: number };
  /** On the CPU where no device is named. */
  prepare(elements: number, device?: Device): Promise<Prepared>;
}

/** The kernel itself, a turn being one call, or one of each part. */
export function kernelContestant(prepared: Prepared, place: Place): Contestant {
  return contestant(prepared, place, prepared.parts ?? [prepared.run]);
}

/** The memory limit of the same pattern: the addon's streams over the same buffers, timed as the kernel is. */
export function limitContestant(prepared: Prepared, place: Place): Contestant {
  const addon = nativeAddon();
  const streams = prepared.passes.map(({ reads, writes }) => {
    const [read, written] = [reads, writes].map((buffers) => buffers.map((buffer) => nativeMemory(buffer, 'buffer')));
    return () => addon.streamPattern(read!, written!);
  });
  return contestant(prepared, place, prepared.parts ? streams : [() => Promise.all(streams.map((stream) => stream()))]);
}

function contestant(prepared: Prepared, place: Place, calls: readonly (() => Promise<unknown>)[]): Contestant {
  return {
    async turn() {
      await prepared.reset?.();
      let nanoseconds = 0;
      for (const call of calls) nanoseconds += await place.measure(call);
      return nanoseconds;
    },
  };
}

/** Bytes that the passes move, for each of `elements`. */
export function bytesOfPasses(passes: readonly Pass[], elements: number): number {
  const bytes = passes
    .flatMap(({ reads, writes }) => [...reads, ...writes])
    .reduce((total, { byteLength }) => total + byteLength, 0);
  return bytes / elements;
}
