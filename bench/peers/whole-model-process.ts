/**
 * Does whole-model work a few times and prints the peak of this process's memory, in bytes; `bench:peers` starts it.
 *
 * Arguments: training or generation, the model's folder, f32 or bf16, threads, calls.
 *
 * @module
 */

import { nativeAddon } from '../../lib/core/addon.ts';
import { type ModelDType, type ModelWork, prepareModel } from '../cases/whole-model.ts';
import { peakMemory } from './process-memory.ts';

const [work, folder, dtype, ...numbers] = process.argv.slice(2) as [ModelWork, string, ModelDType, ...string[]];
const [threads, calls] = numbers.map(Number) as [number, number];

await nativeAddon().configure({ threads });
const prepared = await prepareModel(work, { folder, dtype, threads });
for (let i = 0; i < calls; i++) await prepared.run();
process.stdout.write(`${JSON.stringify(peakMemory())}\n`);
await prepared.release();
