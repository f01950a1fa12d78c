/**
 * Several settings in one word, as `r=16,alpha=32,targets=q_proj+v_proj,rslora`.
 *
 * @module
 */

import { InvalidArgumentError } from 'commander';
import { SoulError } from '../core/errors.ts';
import type { WordForm } from '../run/run-setting.ts';

/**
 * @param text empty for the defaults of all
 * @param check refuses values that cannot be
 */
export function parseWord(
  text: string,
  { example, parts }: WordForm,
  check: (value: object) => void,
): Record<string, unknown> {
  const form = `${example}, each of which may be left out`;
  const read: Record<string, unknown> = {};
  const seen = new Set<string>();
  for (const part of text === '' ? [] : text.split(',')) {
    const [key, value, ...more] = part.split('=').map((each) => each.trim());
    if (seen.has(key!)) throw new InvalidArgumentError(`${key} is given twice.`);
    seen.add(key!);
    const known = Object.hasOwn(parts, key!) ? parts[key!] : undefined;
    const isWhole = (value === undefined) === (known?.read === undefined) && value !== '' && more.length === 0;
    if (known === undefined || !isWhole) {
      const what = part === '' ? 'an empty part' : part;
      throw new InvalidArgumentError(`Expected ${form}, found ${what}; the keys are ${listed(Object.keys(parts))}.`);
    }
    read[known.name] = known.read ? known.read(value!) : true;
  }
  try {
    check(read);
    return read;
  } catch (error) {
    if (!(error instanceof SoulError)) throw error;
    const { argument, expected } = error.details;
    const name = String(argument).replace(/^.*\./, '');
    const [key = name] = Object.entries(parts).find(([, each]) => each.name === name) ?? [];
    throw new InvalidArgumentError(`Expected ${expected} for ${key}, as in ${form}.`);
  }
}

function listed(keys: readonly string[]): string {
  return `${keys.slice(0, -1).join(', ')} and ${keys.at(-1)}`;
}
