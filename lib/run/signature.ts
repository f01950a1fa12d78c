/**
 * Signatures of records: Ed25519 (RFC 8032) over the exact bytes of run.json, which has the hashes of all other files.
 *
 * @module
 */

import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { asSoulError, SoulError } from '../core/errors.ts';

/** Holds the passphrase of a private key that has one. */
const passphraseVariable = 'SOUL_SIGN_PASSPHRASE';

/** What run.json.sig says. */
export interface RecordSignature {
  readonly algorithm: 'Ed25519';
  /** {@link fingerprintOf} the signer's public key. */
  readonly signer: string;
  /** 64 bytes in base64. */
  readonly signature: string;
}

/** Signs records with a private key. */
export class RecordSigner {
  /** {@link fingerprintOf} its public key. */
  readonly fingerprint: string;
  readonly #key: KeyObject;

  private constructor(key: KeyObject) {
    this.#key = key;
    this.fingerprint = fingerprintOf(createPublicKey(key));
  }

  /**
   * Reads a private key: PEM, PKCS #8, Ed25519, as `openssl genpkey -algorithm ed25519` writes it. A passphrase is taken from
   * {@link passphraseVariable}.
   *
   * @throws SoulError SOUL_NOT_FOUND, SOUL_BAD_FILE, SOUL_UNSUPPORTED for a key of another kind, SOUL_INVALID_ARGUMENT where a
   *   passphrase is missing or wrong
   */
  static async read(file: string): Promise<RecordSigner> {
    const pem = await readPem(file);
    if (/-BEGIN (CERTIFICATE|PUBLIC KEY)-/.test(pem)) throw bad(file, 'is a public key; signing takes the private one');
    const passphrase = process.env[passphraseVariable];
    const isProtected = /-BEGIN ENCRYPTED PRIVATE KEY-|Proc-Type: 4,ENCRYPTED/.test(pem);
    if (isProtected && passphrase === undefined) {
      throw new SoulError(
        'SOUL_INVALID_ARGUMENT',
        `${file} is protected by a passphrase; give it in the environment variable ${passphraseVariable}`,
        { file },
      );
    }
    let key: KeyObject;
    try {
      key = createPrivateKey(isProtected ? { key: pem, passphrase: passphrase! } : pem);
    } catch (cause) {
      if (isProtected) {
        throw new SoulError(
          'SOUL_INVALID_ARGUMENT',
          `${file} cannot be opened with the passphrase in ${passphraseVariable}`,
          { file },
          { cause },
        );
      }
      throw bad(file, 'is no private key in PEM; make one: openssl genpkey -algorithm ed25519 -out signer.pem', cause);
    }
    requireEd25519(file, key);
    return new RecordSigner(key);
  }

  /** The content of run.json.sig for the bytes of a run.json. */
  sign(record: Uint8Array): RecordSignature {
    const signature = sign(null, record, this.#key).toString('base64');
    return { algorithm: 'Ed25519', signer: this.fingerprint, signature };
  }
}

/**
 * Reads a public key: PEM, as `openssl pkey -in signer.pem -pubout` writes it.
 *
 * @throws SoulError SOUL_NOT_FOUND, SOUL_BAD_FILE, SOUL_UNSUPPORTED for a key of another kind
 */
export async function readPublicKey(file: string): Promise<KeyObject> {
  const pem = await readPem(file);
  // createPublicKey would derive the public key from it: who checks must not hold it.
  if (/PRIVATE KEY-/.test(pem)) {
    throw bad(file, `is a private key; take the public one: openssl pkey -in ${file} -pubout -out signer.pub`);
  }
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw bad(file, 'is no public key in PEM', cause);
  }
  requireEd25519(file, key);
  return key;
}

/** Whether a signature is of these bytes by this key. */
export function isSignedBy(key: KeyObject, record: Uint8Array, signature: string): boolean {
  return verify(null, record, key, Buffer.from(signature, 'base64'));
}

/** `SHA256:` and the base64 of the SHA-256 of a public key's DER (SPKI). */
export function fingerprintOf(key: KeyObject): string {
  return `SHA256:${createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64')}`;
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw asSoulError(error);
    throw new SoulError('SOUL_NOT_FOUND', `the key ${file} does not exist`, { file }, { cause: error });
  }
}

function requireEd25519(file: string, { asymmetricKeyType: type }: KeyObject): void {
  if (type === 'ed25519') return;
  throw new SoulError(
    'SOUL_UNSUPPORTED',
    `${file} is a key of type ${type}; records are signed with Ed25519: openssl genpkey -algorithm ed25519 -out signer.pem`,
    { file, expected: 'ed25519', found: type },
  );
}

function bad(file: string, problem: string, cause?: unknown): SoulError {
  return new SoulError('SOUL_BAD_FILE', `${file} ${problem}`, { file }, { cause });
}
