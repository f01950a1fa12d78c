/**
 * The peak of the process's resident memory over a stretch of work: the host's, whatever a GPU holds beside it.
 *
 * @module
 */

import { readFile, writeFile } from 'node:fs/promises';

export interface PeakMemory {
  /** Bytes of resident memory at its highest since the meter was started. */
  peak(): Promise<number>;
  /** What the figure covers: the stretch alone (Linux), or the process since its start (elsewhere). */
  readonly scope: 'stretch' | 'process';
}

/** Starts a meter; on Linux the kernel's high-water mark is reset, so only one meter can run at a time. */
export async function measurePeakMemory(): Promise<PeakMemory> {
  const reset = await writeFile('/proc/self/clear_refs', '5').then(
    () => true,
    () => false,
  );
  if (!reset) return { scope: 'process', peak: async () => process.resourceUsage().maxRSS * 1024 };
  return {
    scope: 'stretch',
    peak: async () => {
      const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile('/proc/self/status', 'utf8'))?.[1];
      return kibibytes === undefined ? process.resourceUsage().maxRSS * 1024 : Number(kibibytes) * 1024;
    },
  };
}
