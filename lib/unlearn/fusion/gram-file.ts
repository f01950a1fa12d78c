/**
 * Gram matrices in a safetensors file, which lies beside the adapter whose layers' inputs they are of.
 *
 * Each is a tensor of the layer's name, float64, [inputs * (inputs + 1) / 2]: the lower triangle, row after row. In float32 the smallest
 * eigenvalues would be rounding, and the matrices no longer positive semidefinite.
 *
 * @module
 */

import { SoulError, shortName } from '../../core/errors.ts';
import { openSafetensors, writeSafetensors } from '../../core/safetensors.ts';
import { checkGram, emptyGram, type Gram, mostInputs } from './gram.ts';

/** In the metadata: what the tensors are. */
const content = 'lower triangles of Gram matrices';

/**
 * Writes one file.
 *
 * @param grams by the names of the layers
 * @throws SoulError SOUL_INVALID_ARGUMENT for what is no Gram matrix; SOUL_NON_FINITE; SOUL_NOT_FOUND, SOUL_FILE_SYSTEM
 */
export async function writeGrams(path: string, grams: ReadonlyMap<string, Gram>): Promise<void> {
  for (const [name, gram] of grams) checkGram(`the Gram matrix of ${shortName(name)}`, gram);
  const tensors = [...grams].map(([name, { triangle }]) => ({
    name,
    dtype: 'F64' as const,
    shape: [triangle.length],
    data: triangle,
  }));
  await writeSafetensors(path, tensors, { content });
}

/**
 * Reads all of a file.
 *
 * @throws SoulError SOUL_NOT_FOUND, SOUL_FILE_SYSTEM; SOUL_BAD_FILE where it is damaged, holds something else, or numbers that no Gram
 *   matrix has
 */
export async function readGrams(path: string): Promise<Map<string, Gram>> {
  const file = await openSafetensors(path);
  try {
    const refuse = (reason: string, cause?: unknown) =>
      new SoulError('SOUL_BAD_FILE', `${path} is no file of Gram matrices: ${reason}`, { path }, { cause });
    if (file.metadata.content !== content) throw refuse(`its metadata does not say content: ${content}`);
    const inputsOf = new Map<string, number>();
    for (const [name, { dtype, shape }] of file.tensors) {
      const [length = 0] = shape;
      const inputs = (Math.sqrt(8 * length + 1) - 1) / 2;
      const isTriangle = shape.length === 1 && Number.isInteger(inputs) && inputs >= 1 && inputs <= mostInputs;
      if (dtype !== 'F64' || !isTriangle) {
        throw refuse(
          `${shortName(name)} is ${shortName(dtype)} of shape [${shape}], not the lower triangle of a matrix in F64`,
        );
      }
      inputsOf.set(name, inputs);
    }
    const grams = new Map<string, Gram>();
    for (const [name, inputs] of inputsOf) {
      const gram = emptyGram(inputs);
      await file.readInto(name, gram.triangle);
      try {
        checkGram(shortName(name), gram);
      } catch (error) {
        throw refuse((error as SoulError).message, error);
      }
      grams.set(name, gram);
    }
    return grams;
  } finally {
    await file.close();
  }
}
