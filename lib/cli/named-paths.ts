/**
 * Paths that are given names, as in `original=./model`.
 *
 * @module
 */

import { basename, resolve } from 'node:path';
import { SoulError } from '../core/errors.ts';
import { exists } from '../core/files.ts';

export interface NamedPath {
  readonly name: string;
  readonly path: string;
}

/**
 * Paths with their names: what stands before the first `=`, else the last part of the path, without `.json`. A path that has a `=` and is
 * there is taken as it is.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for an empty name or path, and two of one name
 */
export async function namedPaths(argument: string, texts: readonly string[]): Promise<NamedPath[]> {
  const named = await Promise.all(texts.map((text) => namedPath(argument, text)));
  for (const [i, { name, path }] of named.entries()) {
    const other = named.slice(0, i).find((each) => each.name === name);
    if (other === undefined) continue;
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${other.path} and ${path} are both called ${name}; give one another name, as in other=${path}`,
      { argument, name },
    );
  }
  return named;
}

async function namedPath(argument: string, text: string): Promise<NamedPath> {
  const at = text.indexOf('=');
  if (at < 0 || (await exists(text))) return { name: basename(resolve(text)).replace(/\.json$/, ''), path: text };
  const [name, path] = [text.slice(0, at).trim(), text.slice(at + 1)];
  if (name !== '' && path !== '') return { name, path };
  throw new SoulError('SOUL_INVALID_ARGUMENT', `${argument} takes a path, or NAME=PATH, but is ${text}`, {
    argument,
    found: text,
  });
}
