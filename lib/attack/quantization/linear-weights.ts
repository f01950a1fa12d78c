/**
 * The weights that are quantised, tensor by tensor.
 *
 * @module
 */

import { type Cancellable, throwIfCancelled } from '../../core/cancellation.ts';
import { SoulError } from '../../core/errors.ts';
import { FlatBuffer } from '../../core/flat-buffer.ts';
import { elementCount } from '../../core/shape.ts';
import { cast } from '../../core/vector-operations.ts';
import type { ParameterLayout, ParameterPlace } from '../../model/parameter-layout.ts';

export interface QuantizeOptions extends Cancellable {
  /** Called after each tensor. */
  onProgress?: (done: number, total: number) => void;
}

/**
 * The tensors that are quantised where a model is loaded with bitsandbytes: the matrices of linear layers within the decoder's layers.
 * Embeddings, norms, biases and the head stay.
 */
function quantizedPlaces(layout: ParameterLayout): ParameterPlace[] {
  if (Array.from(layout).some(([, { factor }]) => factor !== undefined)) {
    throw new SoulError(
      'SOUL_UNSUPPORTED',
      'adapters that are rounded alone leave the weights beneath them as they are: merge them into their base first, and attack that',
    );
  }
  return Array.from(layout, ([, place]) => place).filter(({ group, role }) => group === 'matrix' && role !== 'head');
}

/**
 * Walks through the linear layers of models of one layout side by side.
 *
 * @param models the parameters of each, laid out as `layout` says
 * @param visit gets each model's weights of a layer, float32, [outputs, inputs], row after row, and how many inputs there are
 * @param options.writes whether the models take back what `visit` leaves; false by default
 * @throws SoulError SOUL_CANCELLED by `options.signal`, between two tensors; SOUL_UNSUPPORTED for adapters
 */
export async function walkLinearWeights(
  models: readonly FlatBuffer[],
  layout: ParameterLayout,
  visit: (weights: Float32Array[], inputs: number) => void,
  options: QuantizeOptions & { readonly writes?: boolean } = {},
): Promise<void> {
  const { signal, onProgress, writes = false } = options;
  const places = quantizedPlaces(layout);
  const longest = places.reduce((most, { shape }) => Math.max(most, elementCount(shape)), 1);
  const staging = models.map(() => FlatBuffer.alloc(longest));
  for (const [i, { offset, shape, transposed = false }] of places.entries()) {
    throwIfCancelled(signal, `rounding was cancelled after ${i} of ${places.length} tensors`);
    const size = elementCount(shape);
    const [rows, columns] = [shape[0]!, size / shape[0]!];
    const staged = staging.map((buffer) => buffer.view(0, size));
    const parts = models.map((values) => values.view(offset, size));
    for (const [k, part] of parts.entries()) await cast(part, staged[k]!);
    const weights = staged.map(({ array }) => (transposed ? transpose(array, rows, columns) : array));
    visit(weights, transposed ? rows : columns);
    if (writes) {
      for (const [k, part] of parts.entries()) {
        if (transposed) staged[k]!.array.set(transpose(weights[k]!, columns, rows));
        await cast(staged[k]!, part);
      }
    }
    onProgress?.(i + 1, places.length);
  }
}

/** [rows, columns] as [columns, rows]. */
function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(matrix.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = matrix[row * columns + column]!;
  }
  return result;
}
