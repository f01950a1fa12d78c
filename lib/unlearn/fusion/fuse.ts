/**
 * Fusion of linear layers by least squares: one that does on each data set what the layer that was trained for it does.
 *
 * @module
 */

import { allocate } from '../../core/allocate.ts';
import { checkNumber } from '../../core/checks.ts';
import { invalidArgument, SoulError } from '../../core/errors.ts';
import { checkNames } from '../../core/option-names.ts';
import { choleskyFactor, choleskySolve } from './cholesky.ts';
import { checkGram, checkNumbers, type Gram } from './gram.ts';

/** A layer, with the inputs that it is to be kept on. */
export interface LinearPart {
  /** Of the inputs that enter the layer on its own data set. */
  readonly gram: Gram;
  /** [outputs, inputs], row after row, as linear layers store them. */
  readonly weights: Float32Array | Float64Array;
}

export interface FusionOptions {
  /** How much the layers themselves count beside what they do to their inputs, as a share of the mean over the diagonal. Default 1e-6. */
  ridge?: number;
}

const defaultRidge = 1e-6;

/**
 * The weights W that minimise sum_i |X_i W^T - X_i W_i^T|^2 + (r / n) * sum_i |W - W_i|^2 over n layers, in closed form
 *
 *     W^T = (sum_i G_i + r I)^-1 (sum_i G_i W_i^T + r * mean_i W_i^T),    G_i = X_i^T X_i,    r = ridge * trace(sum_i G_i) / inputs
 *
 * by Cholesky's factorisation in float64. Without the ridge it is the fusion of EUL (Chen and Yang 2023, arXiv 2310.20150), which has no
 * answer where the inputs of all data sets together leave a direction out; with it, W is the layers' mean there, so that layers that
 * agree are kept as they are, on every input. Where all inputs are 0, W is the mean.
 *
 * @returns [outputs, inputs], row after row
 * @throws SoulError SOUL_INVALID_ARGUMENT where shapes differ, and where the matrices have no factor: singular ones with a ridge of 0, or
 *   what are no Gram matrices; SOUL_NON_FINITE; SOUL_OUT_OF_MEMORY
 */
export function fuseLinear(parts: readonly LinearPart[], options: FusionOptions = {}): Float64Array {
  checkNames('options', options, ['ridge']);
  const ridge = checkNumber('ridge', options.ridge ?? defaultRidge);
  const { inputs, outputs } = shapeOf(parts);
  const matrix = allocate(8 * inputs ** 2, () => new Float64Array(inputs ** 2));
  for (const { gram } of parts) addTriangle(matrix, gram);
  let trace = 0;
  for (let i = 0; i < inputs; i++) trace += matrix[i * inputs + i]!;
  if (!Number.isFinite(trace)) {
    throw new SoulError('SOUL_NON_FINITE', 'the sum of the Gram matrices is not finite', { argument: 'parts' });
  }
  const added = trace === 0 ? 1 : (ridge * trace) / inputs;
  for (let i = 0; i < inputs; i++) matrix[i * inputs + i]! += added;
  const row = choleskyFactor(matrix, inputs);
  if (row !== undefined) throw noFactor(row, ridge);

  const fused = allocate(8 * inputs * outputs, () => new Float64Array(inputs * outputs));
  for (let output = 0; output < outputs; output++) {
    const right = fused.subarray(output * inputs, (output + 1) * inputs);
    for (const { gram, weights } of parts) {
      const own = weights.subarray(output * inputs, (output + 1) * inputs);
      addProduct(gram, own, right);
      for (let i = 0; i < inputs; i++) right[i]! += (added / parts.length) * own[i]!;
    }
    choleskySolve(matrix, inputs, right);
  }
  return fused;
}

function noFactor(row: number, ridge: number): SoulError {
  const why =
    ridge === 0
      ? 'the inputs of all parts together leave a direction out; give a ridge, 1e-6 for instance'
      : 'what was given are no Gram matrices, X^T X, or the ridge is below their rounding: raise it';
  return new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `the parts cannot be fused, by row ${row} of the Gram matrices: ${why}`,
    {
      argument: 'parts',
      row,
    },
  );
}

/** The one shape that all parts have. */
function shapeOf(parts: readonly LinearPart[]): { inputs: number; outputs: number } {
  if (!Array.isArray(parts) || parts.length === 0) {
    throw invalidArgument('parts', 'an array of at least one { gram, weights }', parts);
  }
  for (const [i, part] of parts.entries()) {
    checkNames(`parts[${i}]`, part, ['gram', 'weights']);
    checkGram(`parts[${i}].gram`, part.gram);
    checkNumbers(`parts[${i}].weights`, part.weights);
  }
  const [{ gram, weights }] = parts as [LinearPart];
  const { inputs } = gram;
  for (const [i, part] of parts.entries()) {
    if (part.gram.inputs !== inputs) {
      throw invalidArgument(`parts[${i}].gram.inputs`, `${inputs}, as those of parts[0]`, part.gram.inputs);
    }
    const { length } = part.weights;
    if (length === 0 || length % inputs !== 0) {
      throw invalidArgument(`parts[${i}].weights.length`, `a multiple of ${inputs}, the inputs`, length);
    }
    if (length === weights.length) continue;
    throw invalidArgument(`parts[${i}].weights.length`, `${weights.length}, as that of parts[0]`, length);
  }
  return { inputs, outputs: weights.length / inputs };
}

/** Adds to the lower triangle of a whole matrix. */
function addTriangle(matrix: Float64Array, { inputs, triangle }: Gram): void {
  for (let i = 0, at = 0; i < inputs; i++) {
    for (let j = 0; j <= i; j++) matrix[i * inputs + j]! += triangle[at++]!;
  }
}

/** Adds G w. */
function addProduct({ inputs, triangle }: Gram, vector: Float32Array | Float64Array, sum: Float64Array): void {
  for (let i = 0, at = 0; i < inputs; i++) {
    const own = vector[i]!;
    let total = 0;
    for (let j = 0; j < i; j++) {
      const entry = triangle[at++]!;
      total += entry * vector[j]!;
      sum[j]! += entry * own;
    }
    sum[i]! += total + triangle[at++]! * own;
  }
}
