/**
 * What one awaited call from JavaScript costs.
 *
 * Short work is done at once on the JavaScript thread where nothing is pending, up to 64 calls in a row; other work goes
 * to a thread of the addon, and its end comes back through the event loop. Both ways are measured.
 *
 * @module
 */

import { nativeAddon } from '../../lib/core/addon.ts';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { type OptimizerOptions, Sophia } from '../../lib/index.ts';
import { nanosecondsOf, spreadOf } from '../measure.ts';
import type { CallMeasurement } from '../results.ts';

/** A call that is measured. */
export interface CallCase {
  readonly title: string;
  /** Whether another thread does the work. */
  readonly dispatched: boolean;
  prepare(): Promise<PreparedCall>;
}

export interface PreparedCall {
  run(): Promise<unknown>;
  release(): Promise<void>;
}

/** So few weights that only the call counts. */
const short = 16;
/** The fewest weights of which a step is work for another thread. */
const dispatched = 8193;
const warmUpCalls = 2000;
const calls = 20_000;

const bare: OptimizerOptions = { nonFinite: 'propagate' };
const guarded: OptimizerOptions = { nonFinite: 'skip', clipNorm: 1 };

const allocated = (elements: number) => FlatBuffer.alloc(elements);
const wrapped = (elements: number) => FlatBuffer.from(new Float32Array(elements));

export const callCases: readonly CallCase[] = [
  stepCase('a bare step', short, bare, allocated),
  stepCase('a guarded and clipped step', short, guarded, allocated),
  stepCase('a bare step', short, bare, wrapped, ', buffers from arrays'),
  stepCase('a bare step', dispatched, bare, allocated),
  {
    title: 'an empty job, to another thread and back',
    dispatched: true,
    prepare: async () => ({ run: () => nativeAddon().configure({}), release: async () => {} }),
  },
];

export async function measureCall({ title, prepare }: CallCase): Promise<CallMeasurement> {
  const prepared = await prepare();
  try {
    for (let i = 0; i < warmUpCalls; i++) await prepared.run();
    const samples: number[] = [];
    for (let i = 0; i < calls; i++) samples.push(await nanosecondsOf(prepared.run));
    return { title, time: spreadOf(samples) };
  } finally {
    await prepared.release();
  }
}

function stepCase(
  name: string,
  elements: number,
  options: OptimizerOptions,
  make: (elements: number) => FlatBuffer,
  note = '',
): CallCase {
  const elsewhere = elements >= dispatched;
  const way = elsewhere ? 'on another thread' : 'done at once';
  return {
    title: `${name} on ${elements.toLocaleString('en')} weights${note}, ${way}`,
    dispatched: elsewhere,
    async prepare() {
      const [values, gradients] = [make(elements), make(elements)];
      await gradients.fill(1e-3);
      const sophia = new Sophia({ values, gradients }, options);
      await sophia.updateHessian({ batchSize: 1, prime: true });
      return {
        run: () => sophia.step(),
        async release() {
          await Promise.all([sophia.release(), values.release(), gradients.release()]);
        },
      };
    },
  };
}
