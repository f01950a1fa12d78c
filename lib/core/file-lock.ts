/**
 * A lock that one process of a machine holds on a file, and that the kernel releases when the process ends, however it ends.
 *
 * @module
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { type NativeExternal, nativeAddon } from './addon.ts';
import { SoulError } from './errors.ts';

export interface FileLock {
  /** Gives the lock up; harmless when done twice. The file stays. */
  release(): void;
}

/** Who holds a lock, as the file says. */
interface Holder {
  host: string;
  process: number;
  /** When the lock was taken, ISO 8601. */
  since: string;
}

/**
 * Locks a file, which is made where it is not there, and writes into it who holds it.
 *
 * @throws SoulError SOUL_BUSY, with the holder in the details, where somebody else holds it, be it this process itself;
 *   SOUL_FILE_SYSTEM where the file cannot be opened, or its file system has no locks
 */
export function lockFile(path: string): FileLock {
  const addon = nativeAddon();
  const lock: NativeExternal | undefined = addon.lockFile(path);
  if (lock === undefined) {
    const holder = readHolder(path);
    const who = holder ? `process ${holder.process} on ${holder.host}, since ${holder.since}` : 'another process';
    throw new SoulError('SOUL_BUSY', `${path} is in use by ${who}; wait for it, or name another place`, {
      path,
      ...holder,
    });
  }
  try {
    const holder: Holder = { host: hostname(), process: process.pid, since: new Date().toISOString() };
    writeFileSync(path, `${JSON.stringify(holder)}\n`);
  } catch (error) {
    addon.unlockFile(lock);
    throw error;
  }
  return { release: () => addon.unlockFile(lock) };
}

/** For the message alone: undefined where the holder has not written it yet. */
function readHolder(path: string): Holder | undefined {
  try {
    const { host, process: id, since } = JSON.parse(readFileSync(path, 'utf8')) as Holder;
    return { host, process: id, since };
  } catch {
    return undefined;
  }
}
