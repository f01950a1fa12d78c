/**
 * What the host spends on a step whose work a device does: the time of the call alone, which enqueues it whole.
 *
 * @module
 */

import type { Device } from '../../lib/core/devices.ts';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { AdamW, type OptimizerOptions, Sophia } from '../../lib/index.ts';
import { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import { type Spread, spreadOf } from '../measure.ts';

export interface HostTimeCase {
  readonly title: string;
  start(buffers: Buffers, options: OptimizerOptions): Sophia | AdamW;
  readonly options: OptimizerOptions;
}

interface Buffers {
  readonly values: FlatBuffer;
  readonly gradients: FlatBuffer;
}

/** As a model of a few hundred million weights has them: matrices, and vectors that take no weight decay. */
const matrices = 100;
const vectors = 50;
/** Of a matrix and of a vector. */
const widest = 256;
const narrowest = 8;

const warmUpSteps = 50;
const mostSteps = 2000;
const fewestSteps = 20;

const guarded: OptimizerOptions = { learningRate: 1e-7, nonFinite: 'skip', clipNorm: 1 };
const bare: OptimizerOptions = { learningRate: 1e-7, nonFinite: 'propagate' };
const sophia: HostTimeCase['start'] = (buffers, options) => new Sophia(buffers, options);
const adamw: HostTimeCase['start'] = (buffers, options) => new AdamW(buffers, options);
const model = `${matrices + vectors} tensors in two groups, not awaited`;

export const hostTimeCases: readonly HostTimeCase[] = [
  { title: `Sophia step, guarded and clipped, ${model}`, start: sophia, options: guarded },
  { title: `Sophia step, ${model}`, start: sophia, options: bare },
  { title: `AdamW step, guarded and clipped, ${model}`, start: adamw, options: guarded },
];

/**
 * @param elements weights that the model need not have more of
 * @param seconds that the steps may take, those beyond the fewest; each is awaited before the next begins
 */
export async function measureHostTime(
  { start, options }: HostTimeCase,
  device: Device,
  elements: number,
  seconds: number,
): Promise<Spread> {
  const layout = modelLayout(Math.max(narrowest, Math.min(widest, Math.floor(Math.sqrt(elements / matrices)))));
  const [values, gradients] = [
    FlatBuffer.alloc(layout.length, { device }),
    FlatBuffer.alloc(layout.length, { device }),
  ];
  const optimizer = start({ values, gradients }, { ...options, parameterGroups: layout.ranges() });
  try {
    await gradients.fill(1e-3);
    if (optimizer instanceof Sophia) await optimizer.updateHessian({ batchSize: 1, prime: true });
    const end = performance.now() + seconds * 1000;
    const samples: number[] = [];
    for (let step = 0; step < mostSteps && (step < fewestSteps || performance.now() < end); step++) {
      const begun = process.hrtime.bigint();
      const done = optimizer.step();
      samples.push(Number(process.hrtime.bigint() - begun));
      await done;
    }
    const counted = samples.slice(Math.min(warmUpSteps, samples.length / 2));
    return spreadOf(counted);
  } finally {
    await Promise.all([optimizer.release(), values.release(), gradients.release()]);
  }
}

function modelLayout(width: number): ParameterLayout {
  const named = (count: number, kind: 'matrix' | 'vector', shape: readonly number[]) =>
    Array.from({ length: count }, (_, index) => ({ name: `${kind} ${index}`, shape, group: kind }));
  return ParameterLayout.of([...named(matrices, 'matrix', [width, width]), ...named(vectors, 'vector', [width])]);
}
