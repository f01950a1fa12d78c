/**
 * Fusion of whole sets of unlearning layers: those of several deletions from one model become one.
 *
 * @module
 */

import { setImmediate } from 'node:timers/promises';
import { allocateFloats } from '../../core/allocate.ts';
import { type Cancellable, throwIfCancelled } from '../../core/cancellation.ts';
import { invalidArgument, SoulError, shortName } from '../../core/errors.ts';
import { checkNames } from '../../core/option-names.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { elementCount } from '../../core/shape.ts';
import { bottleneckNames } from '../../model/adapter/unlearning-layers.ts';
import type { ParameterLayout, ParameterPlace } from '../../model/parameter-layout.ts';
import { type FusionOptions, fuseLinear, type LinearPart } from './fuse.ts';
import { checkGram, checkNumbers, type Gram } from './gram.ts';

/** Unlearning layers, with what enters them on the data set that they were trained to forget. */
export interface LayersPart {
  /** Of the layout's length. */
  readonly values: Float32Array;
  /** As `captureGrams` gives them. */
  readonly grams: ReadonlyMap<string, Gram>;
}

export interface LayersFusionOptions extends FusionOptions, Cancellable {
  onProgress?: (done: number, total: number) => void;
}

/**
 * Fuses each layer's two products by themselves (`fuseLinear`), each by what enters it and with its bias as the weight of an input that is 1.
 * The second reads what the activation of the first gives, of each part its own; that the first is another one after fusion it does not know.
 *
 * @param layout of the unlearning layers, whose names the matrices go by
 * @returns values of the layout's length
 * @throws SoulError SOUL_INVALID_ARGUMENT where a matrix is missing or of another size; of {@link fuseLinear}; SOUL_CANCELLED
 */
export async function fuseUnlearningLayers(
  layout: ParameterLayout,
  parts: readonly LayersPart[],
  options: LayersFusionOptions = {},
): Promise<Float32Array> {
  checkNames('options', options, ['ridge', 'signal', 'onProgress']);
  const { ridge, signal, onProgress } = options;
  if (!Array.isArray(parts) || parts.length === 0) {
    throw invalidArgument('parts', 'an array of at least one { values, grams }', parts);
  }
  for (const [i, { values }] of parts.entries()) {
    checkNumbers(`parts[${i}].values`, values);
    if (values.length === layout.length) continue;
    throw invalidArgument(`parts[${i}].values.length`, `${layout.length}, that of the layout`, values.length);
  }
  const products = productsOf(layout);
  for (const product of products) for (const part of parts) gramOf(parts, part, product);
  const fused = allocateFloats(layout.length);
  for (const [done, product] of products.entries()) {
    throwIfCancelled(signal, `fusing was cancelled after ${done} of ${products.length} products`);
    const linear = parts.map(
      (part): LinearPart => ({ gram: gramOf(parts, part, product), weights: withBias(part.values, product) }),
    );
    scatter(fuseLinear(linear, withoutUndefined({ ridge })), product, fused);
    onProgress?.(done + 1, products.length);
    // Seconds of arithmetic; a signal must be heard between two of them.
    await setImmediate();
  }
  return fused;
}

/** One linear layer. */
interface Product {
  readonly name: string;
  readonly weight: ParameterPlace;
  readonly bias: ParameterPlace;
}

/** Of all layers, in order. */
function productsOf(layout: ParameterLayout): Product[] {
  const products: Product[] = [];
  for (let layer = 0; layout.get(bottleneckNames(layer).down) !== undefined; layer++) {
    const { down, downBias, up, upBias } = bottleneckNames(layer);
    for (const [name, bias] of [
      [down, downBias],
      [up, upBias],
    ] as const) {
      products.push({ name, weight: layout.get(name)!, bias: layout.get(bias)! });
    }
  }
  if (products.length > 0) return products;
  throw invalidArgument('layout', 'that of unlearning layers', [...layout].map(([name]) => name).join(', '));
}

function gramOf(parts: readonly LayersPart[], part: LayersPart, { name, weight }: Product): Gram {
  const argument = `parts[${parts.indexOf(part)}].grams`;
  const gram = part.grams?.get?.(name);
  const inputs = weight.shape[1]! + 1;
  if (gram === undefined) {
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${argument} has no matrix of the inputs of ${shortName(name)}`, {
      argument,
      name,
    });
  }
  checkGram(`${argument}, ${shortName(name)}`, gram);
  if (gram.inputs !== inputs) {
    const expected = `${inputs}, its inputs and a 1`;
    throw invalidArgument(`${argument}, the inputs of ${shortName(name)},`, expected, gram.inputs);
  }
  return gram;
}

/** [outputs, inputs + 1]. */
function withBias(values: Float32Array, { weight, bias }: Product): Float64Array {
  const [outputs, inputs] = weight.shape as [number, number];
  const extended = new Float64Array(outputs * (inputs + 1));
  for (let row = 0; row < outputs; row++) {
    const begin = weight.offset + row * inputs;
    extended.set(values.subarray(begin, begin + inputs), row * (inputs + 1));
    extended[row * (inputs + 1) + inputs] = values[bias.offset + row]!;
  }
  return extended;
}

function scatter(extended: Float64Array, { weight, bias }: Product, values: Float32Array): void {
  const outputs = elementCount(bias.shape);
  const inputs = weight.shape[1]!;
  for (let row = 0; row < outputs; row++) {
    const own = extended.subarray(row * (inputs + 1), (row + 1) * (inputs + 1));
    values.set(own.subarray(0, inputs), weight.offset + row * inputs);
    values[bias.offset + row] = own[inputs]!;
  }
}
