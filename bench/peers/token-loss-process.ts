/**
 * Computes the token loss a few times and prints the memory that this process took, as JSON; `bench:peers` starts it.
 *
 * Arguments: given or sampled, rows, vocabulary, threads, calls.
 *
 * @module
 */

import { nativeAddon } from '../../lib/core/addon.ts';
import { type Labels, type LogitsShape, prepareTokenLoss } from '../cases/token-loss.ts';
import { peakMemory } from './process-memory.ts';
import { fewLogits, type MemoryUse } from './token-loss-memory.ts';

const [labels, ...numbers] = process.argv.slice(2) as [Labels, ...string[]];
const [rows, vocabulary, threads, calls] = numbers.map(Number) as [number, number, number, number];

await nativeAddon().configure({ threads });
await computeLosses(fewLogits, 1);
const before = process.memoryUsage.rss();
await computeLosses({ rows, vocabulary }, calls);
const use: MemoryUse = { before, peak: peakMemory() };
process.stdout.write(`${JSON.stringify(use)}\n`);

async function computeLosses(shape: LogitsShape, count: number): Promise<void> {
  const prepared = await prepareTokenLoss(labels, shape, false);
  for (let i = 0; i < count; i++) await prepared.run();
  await prepared.release();
}
