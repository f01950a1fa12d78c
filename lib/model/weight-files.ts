/**
 * The files that hold a model's weights: `model.safetensors`, or the shards that an index names.
 *
 * @module
 */

import { basename, join } from 'node:path';
import { SoulError, shortName } from '../core/errors.ts';
import { exists, readJsonFile } from '../core/files.ts';

/** The file of a model that is not in shards. */
export const singleFile = 'model.safetensors';
/** The file that names the shard of each tensor. */
export const indexFile = 'model.safetensors.index.json';

/** Of the files that are missing a message names so many. */
const mostNamed = 12;

export interface WeightFiles {
  readonly names: readonly string[];
  /** Where there is an index: the file that it names for each tensor. */
  readonly shardOf?: ReadonlyMap<string, string>;
}

/**
 * The files, whether those that an index names are there or not; none where the folder has neither.
 *
 * @throws SoulError SOUL_BAD_FILE for an index that names no files of the same folder
 */
export async function weightFiles(folder: string): Promise<WeightFiles> {
  if (await exists(join(folder, singleFile))) return { names: [singleFile] };
  const path = join(folder, indexFile);
  const index = await readJsonFile(path);
  if (index === undefined) return { names: [] };
  const map = (index as { weight_map?: unknown } | null)?.weight_map;
  const entries: [string, unknown][] = typeof map === 'object' && map !== null ? Object.entries(map) : [];
  const isPlain = (name: unknown) =>
    typeof name === 'string' && !['', '.', '..'].includes(name) && basename(name) === name;
  if (entries.length === 0 || !entries.every(([, file]) => isPlain(file))) {
    throw new SoulError('SOUL_BAD_FILE', `${path} must have a weight_map from tensors to files of the same folder`, {
      path,
    });
  }
  const shardOf = new Map(entries as [string, string][]);
  return { names: [...new Set(shardOf.values())].sort(), shardOf };
}

/**
 * Checks that every one of the files is there.
 *
 * @throws SoulError SOUL_NOT_FOUND, with all that are not in `details.missing`
 */
export async function requireWeightFiles(folder: string, names: readonly string[]): Promise<void> {
  const there = await Promise.all(names.map((name) => exists(join(folder, name))));
  const missing = names.filter((_, i) => !there[i]);
  if (missing.length === 0) return;
  const more = missing.length > mostNamed ? ` and ${missing.length - mostNamed} more` : '';
  throw new SoulError(
    'SOUL_NOT_FOUND',
    `${folder} lacks ${missing.length} of the ${names.length} files that ${indexFile} names: ${missing.slice(0, mostNamed).map(shortName).join(', ')}${more}; download them, or the model again`,
    { folder, missing },
  );
}
