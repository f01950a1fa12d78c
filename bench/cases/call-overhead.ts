/**
 * What one awaited call from JavaScript costs.
 *
 * @module
 */

import { nativeAddon } from '../../lib/core/addon.ts';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { type OptimizerOptions, Sophia } from '../../lib/index.ts';
import { nanosecondsOf, spreadOf } from '../measure.ts';
import type { CallMeasurement } from '../results.ts';

const elements = 16;
const warmUpCalls = 2000;
const calls = 20_000;

const steps = [
  { title: `a bare step on ${elements} weights`, options: { nonFinite: 'propagate' } },
  { title: `a guarded and clipped step on ${elements} weights`, options: { nonFinite: 'skip', clipNorm: 1 } },
] as const satisfies readonly { title: string; options: OptimizerOptions }[];

/** The least that any call costs. */
export async function measureEmptyCall(): Promise<CallMeasurement> {
  return measureCall('an empty job, there and back', () => nativeAddon().fence());
}

/** Steps on so few weights that only the call counts. */
export async function measureSteps(): Promise<CallMeasurement[]> {
  const measurements: CallMeasurement[] = [];
  for (const { title, options } of steps) {
    const values = FlatBuffer.alloc(elements);
    const gradients = FlatBuffer.alloc(elements);
    await gradients.fill(1e-3);
    const sophia = new Sophia({ values, gradients }, options);
    await sophia.updateHessian({ batchSize: 1, prime: true });
    measurements.push(await measureCall(title, () => sophia.step()));
    await Promise.all([sophia.release(), values.release(), gradients.release()]);
  }
  return measurements;
}

async function measureCall(title: string, call: () => Promise<unknown>): Promise<CallMeasurement> {
  for (let i = 0; i < warmUpCalls; i++) await call();
  const samples: number[] = [];
  for (let i = 0; i < calls; i++) samples.push(await nanosecondsOf(call));
  return { title, time: spreadOf(samples) };
}
