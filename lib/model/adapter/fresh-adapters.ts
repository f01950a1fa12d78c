/**
 * Fresh adapters, with which a model is what it was.
 *
 * @module
 */

import { allocateFloats } from '../../core/allocate.ts';
import { type Cancellable, throwIfCancelled } from '../../core/cancellation.ts';
import { FlatBuffer } from '../../core/flat-buffer.ts';
import { type RandomStream, randomStream } from '../../core/random.ts';
import { elementCount } from '../../core/shape.ts';
import type { ParameterLayout } from '../parameter-layout.ts';
import { viewOf, type WeightDType } from '../stored-tensor.ts';
import type { AdapterConfig } from './adapter-config.ts';

/** A draw of element `index` of a matrix that comes first, of so many inputs. */
type Draw = (stream: RandomStream, index: number, inputs: number) => number;

const draws: Record<AdapterConfig['kind'], Draw> = {
  // PEFT's: uniform in +-1/sqrt(inputs) (Kaiming with a = sqrt(5)).
  lora: ({ uniform }, index, inputs) => (1 / Math.sqrt(inputs)) * (2 * uniform(0, index) - 1),
  // Houlsby et al. 2019, arXiv 1902.00751: normal with a standard deviation of 0.01, drawn again beyond two of them.
  'unlearning-layers': (stream, index) => 0.01 * truncatedNormal(stream, index),
};

/**
 * Fills `values`: the matrix that comes first of each pair (A, or D) as its kind draws it, all else 0. Each draw is a function of (seed,
 * parameter, element), rounded to the dtype of `values`.
 *
 * @throws SoulError SOUL_CANCELLED
 */
export async function fillFreshAdapters(
  kind: AdapterConfig['kind'],
  values: FlatBuffer<WeightDType>,
  layout: ParameterLayout,
  seed: bigint,
  { signal }: Cancellable = {},
): Promise<void> {
  await values.fill(0);
  for (const [name, place] of layout) {
    if (place.factor !== 'A') continue;
    throwIfCancelled(signal, 'drawing fresh adapters was cancelled', { next: name });
    const stream = randomStream(seed, `weights ${name}`);
    const drawn = allocateFloats(elementCount(place.shape));
    for (let i = 0; i < drawn.length; i++) drawn[i] = draws[kind](stream, i, place.shape[1]!);
    await viewOf(values, place).copyFrom(FlatBuffer.from(drawn));
  }
}

/** Within two standard deviations, by Box and Muller from two uniform numbers a trial. */
function truncatedNormal({ bits }: RandomStream, index: number): number {
  for (let trial = 0; ; trial++) {
    const radius = Math.sqrt(-2 * Math.log((bits(2 * trial, index) + 1) / 2 ** 32));
    const value = radius * Math.cos((2 * Math.PI * bits(2 * trial + 1, index)) / 2 ** 32);
    if (Math.abs(value) <= 2) return value;
  }
}
