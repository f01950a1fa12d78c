/**
 * Resident memory of this process, for workers that do one thing.
 *
 * @module
 */

import { readFileSync } from 'node:fs';

/** Bytes at the highest. Linux keeps the peak of this program alone; elsewhere the system's figure for the process. */
export function peakMemory(): number {
  try {
    const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kibibytes !== undefined) return Number(kibibytes) * 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}
