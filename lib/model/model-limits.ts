/**
 * What a model's config.json says of the tokens that it takes, for checks before it is loaded.
 *
 * @module
 */

import { join } from 'node:path';
import { readJsonFile } from '../core/files.ts';

/** Each is undefined where the file says nothing. */
export interface ModelLimits {
  /** Longest sequence, in tokens. */
  readonly maximumLength: number | undefined;
  /** Rows of the embedding. */
  readonly vocabularySize: number | undefined;
}

/**
 * Reads `folder`/config.json under the names that families give these numbers; no file says nothing.
 *
 * @throws SoulError SOUL_BAD_FILE where it is not JSON
 */
export async function readModelLimits(folder: string): Promise<ModelLimits> {
  const config = (await readJsonFile(join(folder, 'config.json'))) as Record<string, unknown> | null | undefined;
  const integer = (value: unknown, low: number) =>
    Number.isSafeInteger(value) && (value as number) >= low ? (value as number) : undefined;
  return {
    maximumLength: integer(config?.max_position_embeddings ?? config?.n_positions, 2),
    vocabularySize: integer(config?.vocab_size, 1),
  };
}
