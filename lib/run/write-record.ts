/**
 * What a run writes when all is known: model card, record, signature, and the key that the record's names are made with.
 *
 * @module
 */

import { toJson } from '../core/json.ts';
import type { RecordKeys } from './deletion.ts';
import { modelCard } from './model-card.ts';
import type { OutFolder } from './out-folder.ts';
import { type RunRecordParts, runRecord } from './record.ts';
import { alternativesName, cardName, recordName, signatureName } from './run-files.ts';
import { type Traces, tracesOf } from './traces.ts';

/**
 * Removes from the staging folder what quotes what was deleted, unless the settings keep it, and writes the card, the record with the
 * hashes of all files, and what signs it.
 *
 * @param told what became of other traces
 * @throws SoulError SOUL_FILE_SYSTEM; SOUL_EXISTS where somebody put a key to the place of the new one
 */
export async function writeRecord(
  out: OutFolder,
  given: Omit<RunRecordParts, 'modelFolder' | 'deletion' | 'signer'>,
  { deletion, signer }: RecordKeys,
  told: Partial<Traces> = {},
): Promise<void> {
  const { settings, generated } = given;
  const keepsTexts = deletion === undefined || settings.withText;
  if (generated && !keepsTexts) await out.remove(alternativesName);
  const fate = keepsTexts ? 'kept' : 'removed';
  const traces = deletion && {
    ...tracesOf({
      ...(generated ? { alternatives: fate } : {}),
      ...(settings.withText ? { texts: 'kept' } : {}),
    }),
    ...told,
  };
  const parts = { ...given, modelFolder: out.staging, deletion, signer: signer?.fingerprint };
  await out.writeText(cardName, await modelCard(parts, traces));
  const record = toJson(await runRecord(parts, traces));
  await out.writeText(recordName, record);
  if (signer) await out.writeJson(signatureName, signer.sign(Buffer.from(record, 'utf8')));
  if (deletion?.isNew) await deletion.key.write(deletion.file);
}
