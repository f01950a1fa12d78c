/**
 * The Gram matrices that lie beside unlearning layers.
 *
 * @module
 */

import { join } from 'node:path';
import { SoulError } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import { gramFileName } from '../../model/adapter/unlearning-layers-file.ts';
import type { ParameterLayout } from '../../model/parameter-layout.ts';
import type { Gram } from './gram.ts';
import { readGrams } from './gram-file.ts';

/**
 * Reads those of a folder.
 *
 * @param layout of its layers, each of whose matrices must have one
 * @throws SoulError SOUL_NOT_FOUND where there are none; SOUL_BAD_FILE where they do not fit; of {@link readGrams}
 */
export async function readLayerGrams(folder: string, layout: ParameterLayout): Promise<Map<string, Gram>> {
  const path = join(folder, gramFileName);
  if (!(await exists(path))) {
    throw new SoulError(
      'SOUL_NOT_FOUND',
      `${folder} has no ${gramFileName}, the sums over what the layers were trained to forget, without which they cannot be fused`,
      { path },
    );
  }
  const grams = await readGrams(path);
  for (const [name, place] of layout) {
    if (place.group !== 'matrix') continue;
    const expected = place.shape[1]! + 1;
    const found = grams.get(name)?.inputs;
    if (found === expected) continue;
    const is = found === undefined ? 'is missing' : `is of ${found} inputs, not ${expected}`;
    throw new SoulError('SOUL_BAD_FILE', `${path} does not fit the layers beside it: the matrix of ${name} ${is}`, {
      path,
      name,
    });
  }
  return grams;
}
