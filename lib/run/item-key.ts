/**
 * The secret key under which the record of a deletion names what was deleted.
 *
 * A plain hash of a short answer can be found by hashing guesses; without the key nobody can.
 *
 * @module
 */

import { createHash, createHmac, randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { asSoulError, SoulError } from '../core/errors.ts';
import { writeFlushed } from '../core/flushed-files.ts';

const keyBytes = 32;

/** A key of 32 bytes. */
export class ItemKey {
  /** The first 16 hexadecimal digits of the key's SHA-256: tells keys apart, and nothing of the key. */
  readonly id: string;
  readonly #bytes: Buffer;

  /** @throws SoulError SOUL_INVALID_ARGUMENT for other than 32 bytes */
  constructor(bytes: Uint8Array) {
    if (!(bytes instanceof Uint8Array) || bytes.length !== keyBytes) {
      const found = bytes instanceof Uint8Array ? `${bytes.length} bytes` : typeof bytes;
      throw new SoulError('SOUL_INVALID_ARGUMENT', `a key of items must be ${keyBytes} bytes, but is ${found}`, {
        argument: 'bytes',
      });
    }
    this.#bytes = Buffer.from(bytes);
    this.id = createHash('sha256').update(this.#bytes).digest('hex').slice(0, 16);
  }

  /** A new key from the system's source of randomness. */
  static random(): ItemKey {
    return new ItemKey(randomBytes(keyBytes));
  }

  /**
   * Reads a key's file: 64 hexadecimal digits.
   *
   * @throws SoulError SOUL_NOT_FOUND, SOUL_BAD_FILE, SOUL_FILE_SYSTEM; none of them quotes the file
   */
  static async read(file: string): Promise<ItemKey> {
    let text: string;
    try {
      text = await readFile(file, 'latin1');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw asSoulError(error);
      throw new SoulError('SOUL_NOT_FOUND', `the key of items ${file} does not exist`, { file }, { cause: error });
    }
    if (!/^[0-9a-f]{64}\s*$/i.test(text)) {
      throw new SoulError(
        'SOUL_BAD_FILE',
        `${file} is no key of items; expected ${2 * keyBytes} hexadecimal digits, as a run writes them (or: openssl rand -hex ${keyBytes})`,
        { file },
      );
    }
    return new ItemKey(Buffer.from(text.trim(), 'hex'));
  }

  /**
   * Writes the key to a file that its owner alone can read (mode 0600).
   *
   * @throws SoulError SOUL_EXISTS where there is one already, SOUL_FILE_SYSTEM
   */
  async write(file: string): Promise<void> {
    try {
      await writeFlushed(file, `${this.#bytes.toString('hex')}\n`, 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw asSoulError(error);
      throw new SoulError('SOUL_EXISTS', `${file} is there already, and keys are never overwritten`, { file });
    }
  }

  /** HMAC-SHA-256 (RFC 2104) of a text in UTF-8, as 64 hexadecimal digits. */
  nameOf(text: string): string {
    return createHmac('sha256', this.#bytes).update(text, 'utf8').digest('hex');
  }
}

/** Whether others than its owner can read a file. */
export async function isReadByOthers(file: string): Promise<boolean> {
  return process.platform !== 'win32' && ((await stat(file)).mode & 0o077) !== 0;
}

/** Where a run keeps the key of its items where it is told no other place: beside the folder, which can be handed on without it. */
export function keyFileOf(out: string): string {
  return `${out.replace(/(?<=.)\/+$/, '')}.key`;
}
