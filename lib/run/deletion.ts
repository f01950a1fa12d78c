/**
 * What a run needs for its record beyond what it does: a key to name what it deletes, and one to sign with.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { exists } from '../core/files.ts';
import { ItemKey, isReadByOthers, keyFileOf } from './item-key.ts';
import type { ChosenAlgorithm } from './run-defaults.ts';
import type { RunSchema } from './run-setting.ts';
import { runSettings } from './run-settings.ts';
import type { CompleteRunSettings } from './settings.ts';
import { RecordSigner } from './signature.ts';

/** How a run that deletes names what it deleted. */
export interface Deletion {
  readonly key: ItemKey;
  /** The key's file, as it was given, or beside the out folder as that was given. */
  readonly file: string;
  /** Whether it has yet to be written. */
  readonly isNew: boolean;
}

/** Keys of a run's record. */
export interface RecordKeys {
  /** Of every run but plain training. */
  readonly deletion: Deletion | undefined;
  readonly signer: RecordSigner | undefined;
}

/** Whether a run with this algorithm deletes something. */
export function isDeletion({ algorithm }: Pick<ChosenAlgorithm, 'algorithm'>): boolean {
  return algorithm.name !== 'finetune';
}

/**
 * Reads the keys that the settings name. Without one for items, that of an earlier run to the same folder counts, or a new one, which
 * is not written yet.
 *
 * @throws SoulError of {@link ItemKey.read} and {@link RecordSigner.read}; SOUL_INVALID_ARGUMENT for a key of items, or texts, that a
 *   run that deletes nothing is given
 */
export async function readRecordKeys(
  settings: CompleteRunSettings,
  chosen: ChosenAlgorithm,
  onNote: (note: string) => void,
): Promise<RecordKeys> {
  const { itemKey, withText, sign } = settings;
  const signer = sign === undefined ? undefined : await RecordSigner.read(sign);
  if (!isDeletion(chosen)) {
    const idle = itemKey !== undefined ? 'itemKey' : withText ? 'withText' : undefined;
    if (idle === undefined) return { deletion: undefined, signer };
    throw new SoulError('SOUL_INVALID_ARGUMENT', `${idle} is of no use to a run that deletes nothing`, {
      argument: idle,
    });
  }
  const file = itemKey ?? keyFileOf(settings.out);
  if (itemKey === undefined && !(await exists(file))) {
    return { deletion: { key: ItemKey.random(), file, isNew: true }, signer };
  }
  const key = await ItemKey.read(file);
  if (await isReadByOthers(file)) {
    onNote(`others than you can read ${file}, under which the record names what is deleted (chmod 600 ${file})`);
  }
  return { deletion: { key, file, isNew: false }, signer };
}

/** Settings as a record has them: where they may quote what is deleted, names in place of texts. */
export function settingsWithoutTexts(
  settings: CompleteRunSettings,
  quoting: Deletion | undefined,
): Record<string, unknown> {
  if (quoting === undefined) return settings;
  const schema: RunSchema = runSettings;
  const named = Object.entries(settings).map(([name, value]) => {
    const entry = schema[name];
    const replace = entry === undefined || entry.kind === 'group' ? undefined : entry.withoutTexts;
    return [name, replace && value !== undefined ? replace(value, (text) => quoting.key.nameOf(text)) : value];
  });
  return Object.fromEntries(named);
}
