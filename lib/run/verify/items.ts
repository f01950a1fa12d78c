/**
 * Whether examples are among those that a run deleted.
 *
 * @module
 */

import { readExampleSet } from '../../data/read-example-set.ts';
import { recordedKeyId } from '../changed-inputs.ts';
import type { ItemKey } from '../item-key.ts';
import { itemFormVersion, itemName } from '../item-names.ts';
import { inWords, type Loose, loose } from '../loose.ts';
import { type Check, checksOf } from './check.ts';

/** Examples of a file, looked for among the deleted. */
export interface FoundItems {
  readonly file: string;
  readonly items: number;
  readonly deleted: number;
  /** Lines of those that were not. */
  readonly notDeleted: readonly number[];
}

/** Whether a key is the one that the items were named under. */
export function checkKey(record: Loose, key: ItemKey): Check[] {
  const { passed, failed } = checksOf('items');
  const keyId = recordedKeyId(record);
  return [
    key.id === keyId
      ? passed(`${key.id} is the key of the items`)
      : failed(`expected the key ${inWords(keyId)}, under which the items were named, found ${key.id}`),
  ];
}

/**
 * Looks for the examples of a file among what the record says was deleted.
 *
 * @param filter conditions that choose some of them
 * @throws SoulError of {@link readExampleSet}
 */
export async function checkItems(
  record: Loose,
  file: string,
  key: ItemKey | undefined,
  filter?: string | readonly string[],
): Promise<{ readonly check: Check; readonly found?: FoundItems }> {
  const { passed, failed } = checksOf('items');
  const deleted = loose(record.deleted);
  const { form, keyId = recordedKeyId(record) } = loose(deleted.naming);
  if (!Array.isArray(deleted.names))
    return {
      check: failed(`${file}: expected names of deleted items in run.json, found none: that run deleted nothing`),
    };
  if (key === undefined)
    return {
      check: failed(`${file}: expected the key of the items, found none beside the folder; name its file (--key)`),
    };
  if (key.id !== keyId) {
    return {
      check: failed(`${file}: expected the key ${inWords(keyId)}, under which the items were named, found ${key.id}`),
    };
  }
  if (form !== itemFormVersion)
    return {
      check: failed(
        `${file}: expected names of form ${itemFormVersion}, found form ${inWords(form)}: check with a newer version`,
      ),
    };
  const { items } = await readExampleSet(file, filter);
  const names = new Set<unknown>(deleted.names);
  const missing = items.filter((item) => !names.has(itemName(key, item))).map(({ source }) => source.line);
  const found = { file, items: items.length, deleted: items.length - missing.length, notDeleted: missing };
  if (missing.length === 0) return { check: passed(`${file}: all ${items.length} examples were deleted`), found };
  const lines = `line${missing.length === 1 ? '' : 's'} ${missing.slice(0, 20).join(', ')}${missing.length > 20 ? ', ...' : ''}`;
  return {
    check: failed(`${file}: expected ${items.length} deleted examples, found ${found.deleted}; not deleted: ${lines}`),
    found,
  };
}
