/**
 * Data sets of one or several files.
 *
 * @module
 */

import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { invalidArgument, SoulError } from '../core/errors.ts';
import type { Example } from './example.ts';
import type { ExampleSet } from './example-set.ts';
import { filterExamples } from './filter.ts';
import { type DataFile, readExamples } from './read-examples.ts';

/**
 * Reads one or several files, in their order, and chooses among their examples.
 *
 * @param conditions {@link filterExamples}
 * @throws SoulError of {@link readExamples} and {@link filterExamples}; SOUL_INVALID_ARGUMENT for a file that is given twice;
 *   SOUL_BAD_DATA for two of the same content
 */
export async function readExampleSet(
  files: string | readonly string[],
  conditions?: string | readonly string[],
): Promise<ExampleSet> {
  const paths = listOf(files);
  const [first] = paths;
  if (first === undefined) throw invalidArgument('files', 'a path, or several', files);
  await checkNoDuplicates(paths);
  const read: DataFile<Example>[] = [];
  for (const path of paths) {
    const file = await readExamples(path);
    const twin = read.find(({ sha256 }) => sha256 === file.sha256);
    if (twin !== undefined) {
      throw new SoulError('SOUL_BAD_DATA', `${path} has the same content as ${twin.file}; give one of them`, {
        file: path,
        other: twin.file,
      });
    }
    read.push(file);
  }
  const set: ExampleSet = {
    file: paths.length === 1 ? first : `${first} and ${paths.length - 1} more`,
    files: read.map(({ file, sha256, items }) => ({ file, sha256, items: items.length })),
    items: read.flatMap(({ items }) => items),
  };
  return conditions === undefined ? set : filterExamples(set, listOf(conditions)).matching;
}

/** One or several, as a list. */
export function listOf<Value extends string>(values: Value | readonly Value[]): readonly Value[] {
  return Array.isArray(values) ? values : [values as Value];
}

async function checkNoDuplicates(paths: readonly string[]): Promise<void> {
  const seen = new Map<string, string>();
  for (const path of paths) {
    if (typeof path !== 'string') throw invalidArgument('file', 'a path', path);
    // What does not exist is told where it is read.
    const real = await realpath(path).catch(() => resolve(path));
    const before = seen.get(real);
    if (before !== undefined) {
      const problem = before === path ? 'is given twice' : `is the same file as ${before}`;
      throw new SoulError('SOUL_INVALID_ARGUMENT', `${path} ${problem}`, { argument: 'file', file: path });
    }
    seen.set(real, path);
  }
}
