/**
 * The demo: a small model learns invented authors, then forgets some of them in several ways.
 *
 * Beside the model that learned everything stands one that never saw the authors to be forgotten: the aim of unlearning is
 * to come close to it. Nothing is needed from outside.
 *
 * @module
 */

import { mkdir, readdir } from 'node:fs/promises';
import { SoulError } from '../core/errors.ts';
import { checkOptions, type DemoOptions, type DemoRow } from './demo/options.ts';
import { rowOf } from './demo/outcome.ts';
import { trainFromScratch } from './demo/training.ts';
import { demoMethodNames, demoMethods, demoOptimizerNames, unlearn } from './demo/unlearning.ts';
import { prepare } from './demo/world.ts';

export interface DemoResult {
  seed: bigint;
  folder: string;
  seconds: number;
  rows: DemoRow[];
}

/**
 * Runs the demo; takes minutes.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_EXISTS for a folder that is not empty, SOUL_CANCELLED
 */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  checkOptions(options);
  const { folder, seed = 0n, onEvent } = options;
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) {
    throw new SoulError('SOUL_EXISTS', `the folder ${folder} is not empty; name another, or empty it`, { folder });
  }
  const begun = performance.now();
  const world = await prepare(options);
  const rows: DemoRow[] = [];
  const add = (row: DemoRow) => {
    rows.push(row);
    onEvent?.({ kind: 'result', row });
  };

  // The retrained model comes first, for all others are measured against it.
  const retrained = await trainFromScratch(options, world, 'retrained', world.retain);
  const reference = retrained.evaluation.forget.items;
  add(rowOf('retrained', retrained, reference));
  const original = await trainFromScratch(options, world, 'original', [...world.retain, ...world.forget]);
  add(rowOf('original', original, reference));
  rows.reverse();
  for (const name of options.methods ?? demoMethodNames) {
    const method = demoMethods.find((each) => each.name === name) ?? { name };
    for (const optimizer of method.optimizers ?? options.optimizers ?? demoOptimizerNames) {
      const run = method.optimizers?.length === 1 ? name : `${optimizer} ${name}`;
      const outcome = await unlearn(options, world, optimizer, method, run);
      add({ ...rowOf(run, outcome, reference), optimizer, method: name });
    }
  }
  return { seed, folder, seconds: (performance.now() - begun) / 1000, rows };
}
