/**
 * Computes the token loss a few times and prints the memory that this process took, as JSON; `bench:peers` starts it.
 *
 * Arguments: given or sampled, rows, vocabulary, threads, calls.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { nativeAddon } from '../../lib/core/addon.ts';
import { type Labels, prepareTokenLoss } from '../cases/token-loss.ts';
import type { ProcessMemory } from './torch-process.ts';

const [labels, ...numbers] = process.argv.slice(2) as [Labels, ...string[]];
const [rows, vocabulary, threads, calls] = numbers.map(Number) as [number, number, number, number];

await nativeAddon().configure({ threads });
const prepared = await prepareTokenLoss(labels, { rows, vocabulary }, false);
for (let i = 0; i < calls; i++) await prepared.run();
process.stdout.write(`${JSON.stringify(processMemory())}\n`);

/** Linux keeps the peak of this program alone; elsewhere the system's figure for the process. */
function processMemory(): ProcessMemory {
  const resident = process.memoryUsage.rss();
  try {
    const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kibibytes !== undefined) return { resident, peak: Number(kibibytes) * 1024 };
  } catch {
    // Not Linux.
  }
  return { resident, peak: process.resourceUsage().maxRSS * 1024 };
}
