/**
 * Gram matrices of a linear layer's inputs: all of a data set that fusion needs.
 *
 * @module
 */

import { types } from 'node:util';
import { allocate } from '../../core/allocate.ts';
import { checkInteger } from '../../core/checks.ts';
import { describe, invalidArgument, SoulError } from '../../core/errors.ts';

/**
 * X^T X of inputs X, one a row. Symmetric, so that the lower triangle is all of it: entry (i, j), j <= i, stands at
 * i * (i + 1) / 2 + j.
 *
 * A layer with a bias has a 1 as the last of its inputs, and the bias as the last column of its weights.
 */
export interface Gram {
  /** Entries of an input; the matrix is [inputs, inputs]. */
  readonly inputs: number;
  readonly triangle: Float64Array;
}

/** The most inputs of a layer: their matrix takes 2 GiB. */
export const mostInputs = 16_384;

/** How many entries the lower triangle has. */
export function triangleLength(inputs: number): number {
  return (inputs * (inputs + 1)) / 2;
}

/**
 * The matrix of no inputs at all: 0.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT, SOUL_OUT_OF_MEMORY
 */
export function emptyGram(inputs: number): Gram {
  checkInteger('inputs', inputs, { high: mostInputs });
  const length = triangleLength(inputs);
  return { inputs, triangle: allocate(8 * length, () => new Float64Array(length)) };
}

/**
 * Adds inputs, one row after another; products and sums are float64.
 *
 * @param rows [any number, inputs]
 * @throws SoulError SOUL_INVALID_ARGUMENT; SOUL_NON_FINITE, with nothing added
 */
export function addInputs({ inputs, triangle }: Gram, rows: Float32Array | Float64Array): void {
  checkNumbers('rows', rows);
  if (rows.length % inputs !== 0)
    throw invalidArgument('rows.length', `a multiple of ${inputs}, the inputs`, rows.length);
  for (let row = 0; row < rows.length; row += inputs) {
    for (let i = 0, at = 0; i < inputs; i++) {
      const value = rows[row + i]!;
      for (let j = 0; j <= i; j++) triangle[at++]! += value * rows[row + j]!;
    }
  }
}

/**
 * Adds a whole matrix; of entries that differ by rounding, the mean.
 *
 * @param matrix [inputs, inputs], row after row
 * @throws SoulError SOUL_INVALID_ARGUMENT where it has another size, is not symmetric, or has a diagonal below 0; SOUL_NON_FINITE; nothing
 *   is added then
 */
export function addMatrix(gram: Gram, matrix: Float32Array | Float64Array): void {
  addTriangle(gram.triangle, gramOfMatrix(matrix, gram.inputs).triangle);
}

/** By index: an iterator over entries takes ten times as long. */
function addTriangle(sum: Float64Array, triangle: Float64Array): void {
  for (let at = 0; at < triangle.length; at++) sum[at]! += triangle[at]!;
}

/**
 * The matrices of several data sets together: what they are of all at once.
 *
 * @param sets the same names in each, of the same inputs
 */
export function sumGrams([first, ...others]: readonly ReadonlyMap<string, Gram>[]): Map<string, Gram> {
  const sums = new Map<string, Gram>();
  for (const [name, { inputs, triangle }] of first!) {
    const sum = triangle.slice();
    for (const grams of others) addTriangle(sum, grams.get(name)!.triangle);
    sums.set(name, { inputs, triangle: sum });
  }
  return sums;
}

/** How far two entries that should be the same may be apart, beside their diagonal's geometric mean: what float32 sums leave. */
const asymmetryAllowed = 1e-5;

/**
 * The Gram matrix of a whole one; of entries that differ by rounding, the mean.
 *
 * @param matrix [inputs, inputs], row after row
 * @throws SoulError SOUL_INVALID_ARGUMENT where it has another size, is not symmetric, or has a diagonal below 0; SOUL_NON_FINITE
 */
export function gramOfMatrix(matrix: Float32Array | Float64Array, inputs: number): Gram {
  checkInteger('inputs', inputs, { high: mostInputs });
  checkNumbers('matrix', matrix);
  if (matrix.length !== inputs ** 2) throw invalidArgument('matrix.length', `${inputs} * ${inputs}`, matrix.length);
  const gram = emptyGram(inputs);
  for (let i = 0, at = 0; i < inputs; i++) {
    for (let j = 0; j <= i; j++, at++) {
      const [below, above] = [matrix[i * inputs + j]!, matrix[j * inputs + i]!];
      const scale = Math.sqrt(Math.abs(matrix[i * inputs + i]! * matrix[j * inputs + j]!));
      if (Math.abs(below - above) > asymmetryAllowed * scale) {
        throw new SoulError(
          'SOUL_INVALID_ARGUMENT',
          `matrix must be symmetric, but entry (${i}, ${j}) is ${below} and (${j}, ${i}) is ${above}; a Gram matrix is X^T X`,
          { argument: 'matrix', row: i, column: j },
        );
      }
      gram.triangle[at] = (below + above) / 2;
    }
  }
  checkGram('matrix', gram);
  return gram;
}

/**
 * Refuses what is no Gram matrix, as far as one look at each entry tells; an indefinite one is told by its fusion.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT; SOUL_NON_FINITE
 */
export function checkGram(argument: string, gram: Gram): void {
  const { inputs, triangle } = Object(gram) as Partial<Gram>;
  checkInteger(`${argument}.inputs`, inputs as number, { high: mostInputs });
  if (!types.isFloat64Array(triangle) || triangle.length !== triangleLength(inputs!)) {
    const expected = `a Float64Array of ${triangleLength(inputs!)}, the lower triangle of ${inputs} inputs`;
    throw invalidArgument(`${argument}.triangle`, expected, triangle);
  }
  checkNumbers(`${argument}.triangle`, triangle);
  for (let i = 0; i < inputs!; i++) {
    const value = triangle[triangleLength(i) + i]!;
    if (value < 0) throw invalidArgument(`${argument}, entry (${i}, ${i}),`, 'a sum of squares, at least 0', value);
  }
}

/** @throws SoulError SOUL_INVALID_ARGUMENT for another kind of array; SOUL_NON_FINITE */
export function checkNumbers(argument: string, values: unknown): asserts values is Float32Array | Float64Array {
  if (!types.isFloat32Array(values) && !types.isFloat64Array(values)) {
    throw invalidArgument(argument, 'a Float32Array or a Float64Array', values);
  }
  const wrong = values.findIndex((value: number) => !Number.isFinite(value));
  if (wrong < 0) return;
  throw new SoulError('SOUL_NON_FINITE', `${argument}[${wrong}] is ${describe(values[wrong])}; it must be finite`, {
    argument,
    index: wrong,
  });
}
