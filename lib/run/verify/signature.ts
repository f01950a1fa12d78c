/**
 * Whether a record is signed, and by whom.
 *
 * @module
 */

import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { jsonOf, readPlainFile } from '../../core/files.ts';
import { inWords, loose } from '../loose.ts';
import { signatureName } from '../run-files.ts';
import { fingerprintOf, isSignedBy } from '../signature.ts';
import { type Check, checksOf } from './check.ts';
import type { Recorded } from './recorded.ts';

/** @param signer whose signature is expected; without one a signature is told, and its absence where the record speaks of one */
export async function checkSignature(
  folder: string,
  { bytes, value }: Recorded,
  signer: KeyObject | undefined,
): Promise<Check> {
  const { passed, failed, unknown } = checksOf('signature');
  const expected = signer && fingerprintOf(signer);
  const announced = value.signer;
  const file = await readPlainFile(join(folder, signatureName))
    .then((content) => content && jsonOf(signatureName, content))
    .catch(() => null);
  if (file === undefined) {
    if (expected !== undefined) return failed(`expected a signature by ${expected}, found no ${signatureName}`);
    if (announced !== undefined)
      return failed(`expected the signature by ${inWords(announced)}, found no ${signatureName}`);
    return unknown('the record is not signed: hashes show damage, not forgery');
  }
  const { algorithm, signer: signedBy, signature } = loose(file);
  if (algorithm !== 'Ed25519' || typeof signedBy !== 'string' || typeof signature !== 'string')
    return failed(`expected an Ed25519 signature in ${signatureName}, found none: it is damaged`);
  if (announced !== undefined && announced !== signedBy)
    return failed(`expected the signature by ${inWords(announced)}, found one by ${signedBy}`);
  if (signer === undefined) return unknown(`signed by ${signedBy}; not checked without that public key (--signer)`);
  if (isSignedBy(signer, bytes, signature)) return passed(`signed by ${expected}`);
  return signedBy === expected
    ? failed(`expected a valid signature by ${expected}, found one that is not of this run.json: it was changed`)
    : failed(`expected a signature by ${expected}, found one by ${signedBy}`);
}
