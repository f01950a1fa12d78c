/**
 * Memory that nothing holds any more, given back before the next trial's is measured.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/**
 * Frees what earlier work left: memory of released buffers on the CPU goes with their JavaScript objects, and those wait for the garbage
 * collector, which sees a few bytes of each. A trial's peak would else tell of the trials before it.
 */
export async function collectGarbage(): Promise<void> {
  if (collect === undefined) {
    // Of the contexts that are made from now on.
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
    setFlagsFromString('--no-expose-gc');
  }
  // What the first finds to be finalised, the second frees.
  for (let round = 0; round < 2; round++) {
    collect();
    await delay(1);
  }
}
