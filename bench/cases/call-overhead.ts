/**
 * What one awaited call from JavaScript costs.
 *
 * Short work is done at once on the JavaScript thread where nothing is pending, up to 64 calls in a row; other work goes
 * to a thread of the addon, and its end comes back through the event loop. Both ways are measured.
 *
 * @module
 */

import { nativeAddon } from '../../lib/core/addon.ts';
import type { Device } from '../../lib/core/devices.ts';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { type OptimizerOptions, Sophia } from '../../lib/index.ts';
import { nanosecondsOf, type Spread, spreadOf } from '../measure.ts';

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
const mostCalls = 20_000;
const fewestCalls = 20;
const warmUpShare = 0.1;

const bare: OptimizerOptions = { nonFinite: 'propagate' };
const guarded: OptimizerOptions = { nonFinite: 'skip', clipNorm: 1 };

const allocated = (elements: number) => FlatBuffer.alloc(elements);
const wrapped = (elements: number) => FlatBuffer.from(new Float32Array(elements));

/** An empty job. */
const roundTrip: CallCase = {
  title: 'an empty job, to another thread and back',
  dispatched: true,
  prepare: async () => ({ run: () => nativeAddon().configure({}), release: async () => {} }),
};

export const callCases: readonly CallCase[] = [
  stepCase('a bare step', short, bare, allocated),
  stepCase('a guarded and clipped step', short, guarded, allocated),
  stepCase('a bare step', short, bare, wrapped, ', buffers from arrays, done at once'),
  stepCase('a bare step', dispatched, bare, allocated),
  roundTrip,
];

/** What an awaited call costs whose work a device does, whatever its size. */
export function deviceCallCases(device: Device): CallCase[] {
  const onDevice = (elements: number) => FlatBuffer.alloc(elements, { device });
  return [
    stepCase('a bare step', short, bare, onDevice, ', on the device and back'),
    stepCase('a guarded and clipped step', short, guarded, onDevice, ', on the device and back'),
    roundTrip,
  ];
}

/** @param seconds that the calls may take, those beyond the fewest */
export async function measureCall({ prepare }: CallCase, seconds = Number.POSITIVE_INFINITY): Promise<Spread> {
  const prepared = await prepare();
  try {
    const samples: number[] = [];
    const end = performance.now() + seconds * 1000;
    const wanted = mostCalls * (1 + warmUpShare);
    while (samples.length < wanted && (samples.length < fewestCalls || performance.now() < end)) {
      samples.push(await nanosecondsOf(prepared.run));
    }
    const warmUp = Math.round((samples.length * warmUpShare) / (1 + warmUpShare));
    return spreadOf(samples.slice(warmUp));
  } finally {
    await prepared.release();
  }
}

function stepCase(
  name: string,
  elements: number,
  options: OptimizerOptions,
  make: (elements: number) => FlatBuffer,
  note = elements < dispatched ? ', done at once' : ', on another thread',
): CallCase {
  return {
    title: `${name} on ${elements.toLocaleString('en')} weights${note}`,
    dispatched: elements >= dispatched,
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
